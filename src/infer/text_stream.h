/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes of tokens to text that may be shown: whole UTF-8 characters only, and nothing that
 * may turn out to be part of a stop string. An incomplete character waits for the bytes to come;
 * bytes that can belong to no character become U+FFFD, one for each longest piece that began one
 * (Unicode 15, section 3.9, table 3-8). Stop strings are looked for in the bytes as they are.
 */
#ifndef PKM_INFER_TEXT_STREAM_H
#define PKM_INFER_TEXT_STREAM_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "pkm/model.h"

typedef struct pkm_text_stream {
    const char *const *stop; /* borrowed */
    int n_stop;
    pkm_text_sink sink;
    void *user;
    pkm_strbuf held; /* bytes not shown yet */
    pkm_strbuf text; /* what a call shows */
    bool ended;      /* by a stop string or by the sink */
} pkm_text_stream;

/* PKM_ERR_ARG for an empty stop string. */
pkm_status pkm_text_stream_init(pkm_text_stream *out, const char *const *stop, int n_stop,
                                pkm_text_sink sink, void *user);
void pkm_text_stream_release(pkm_text_stream *stream);

/* Takes bytes and shows what can be shown; sets `ended`. */
pkm_status pkm_text_stream_push(pkm_text_stream *stream, const void *data, size_t bytes);
/* No more bytes will come: shows what is held back, unless the stream has ended. */
pkm_status pkm_text_stream_finish(pkm_text_stream *stream);

#endif
