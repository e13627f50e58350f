/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte string, always NUL-terminated. Init with {0}; release frees it. */
#ifndef PKM_BASE_STRBUF_H
#define PKM_BASE_STRBUF_H

#include <stddef.h>

#include "base/error.h"

typedef struct pkm_strbuf {
    char *data; /* NULL while empty */
    size_t length, capacity;
} pkm_strbuf;

pkm_status pkm_strbuf_append(pkm_strbuf *buffer, const void *data, size_t bytes);
pkm_status pkm_strbuf_printf(pkm_strbuf *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void pkm_strbuf_clear(pkm_strbuf *buffer);
void pkm_strbuf_release(pkm_strbuf *buffer);

#endif
