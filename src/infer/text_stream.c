/* SPDX-License-Identifier: Apache-2.0 */
#include "infer/text_stream.h"

#include <string.h>

#include "infer/utf8.h"

pkm_status pkm_text_stream_init(pkm_text_stream *out, const char *const *stop, int n_stop,
                                pkm_text_sink sink, void *user)
{
    for (int i = 0; i < n_stop; i++)
        if (stop[i][0] == '\0')
            return pkm_fail(PKM_ERR_ARG, "stop string %d is empty", i);
    *out = (pkm_text_stream){.stop = stop, .n_stop = n_stop, .sink = sink, .user = user};
    return PKM_OK;
}

void pkm_text_stream_release(pkm_text_stream *stream)
{
    pkm_strbuf_release(&stream->held);
    pkm_strbuf_release(&stream->text);
    *stream = (pkm_text_stream){0};
}

/* Offset of the first place where a stop string stands or, if more bytes may come, may be standing;
 * *whole: it does. */
static size_t find_stop(const pkm_text_stream *stream, bool more, bool *whole)
{
    const pkm_strbuf *held = &stream->held;

    *whole = false;
    for (size_t at = 0; at < held->length; at++) {
        size_t left = held->length - at;
        bool found = false;

        for (int i = 0; i < stream->n_stop; i++) {
            size_t bytes = strlen(stream->stop[i]);
            bool complete = left >= bytes;

            if ((complete || more) &&
                memcmp(held->data + at, stream->stop[i], complete ? bytes : left) == 0) {
                found = true;
                *whole |= complete;
            }
        }
        if (found)
            return at;
    }
    return held->length;
}

/* Shows the first `bytes` of what is held, but for an incomplete character at their end if more
 * may come. */
static pkm_status show(pkm_text_stream *stream, size_t bytes, bool more)
{
    pkm_strbuf *held = &stream->held;
    size_t at = 0;

    pkm_strbuf_clear(&stream->text);
    while (at < bytes) {
        bool valid;
        size_t length = pkm_utf8_piece(held->data + at, bytes - at, &valid);

        if (length == 0 && more)
            break;
        if (length == 0) /* incomplete for ever */
            length = bytes - at;
        PKM_TRY(valid ? pkm_strbuf_append(&stream->text, held->data + at, length)
                      : pkm_strbuf_append(&stream->text, "\xef\xbf\xbd", 3));
        at += length;
    }
    if (stream->text.length > 0 &&
        stream->sink(stream->text.data, stream->text.length, stream->user) != 0)
        stream->ended = true;
    held->length -= at;
    memmove(held->data, held->data + at, held->length + 1); /* and the NUL */
    return PKM_OK;
}

static pkm_status take(pkm_text_stream *stream, bool more)
{
    bool whole;
    size_t safe = find_stop(stream, more, &whole);

    PKM_TRY(show(stream, safe, more && !whole));
    stream->ended |= whole;
    return PKM_OK;
}

pkm_status pkm_text_stream_push(pkm_text_stream *stream, const void *data, size_t bytes)
{
    if (stream->ended || bytes == 0)
        return PKM_OK;
    PKM_TRY(pkm_strbuf_append(&stream->held, data, bytes));
    return take(stream, true);
}

pkm_status pkm_text_stream_finish(pkm_text_stream *stream)
{
    return stream->ended || stream->held.length == 0 ? PKM_OK : take(stream, false);
}
