/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"

/* Room for `extra` more bytes and the NUL. */
static pkm_status reserve(pkm_strbuf *buffer, size_t extra)
{
    size_t needed, larger;

    if (!pkm_size_add(buffer->length, extra, &needed) || !pkm_size_add(needed, 1, &needed))
        return pkm_fail(PKM_ERR_NOMEM, "out of memory: text of more than SIZE_MAX bytes");
    if (needed <= buffer->capacity)
        return PKM_OK;
    larger = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (larger < needed)
        if (!pkm_size_mul(larger, 2, &larger))
            larger = needed;
    PKM_TRY(pkm_alloc_grow((void **)&buffer->data, buffer->length, larger, 1, "text"));
    buffer->capacity = larger;
    buffer->data[buffer->length] = '\0';
    return PKM_OK;
}

pkm_status pkm_strbuf_append(pkm_strbuf *buffer, const void *data, size_t bytes)
{
    PKM_TRY(reserve(buffer, bytes));
    if (bytes > 0)
        memcpy(buffer->data + buffer->length, data, bytes);
    buffer->length += bytes;
    buffer->data[buffer->length] = '\0';
    return PKM_OK;
}

pkm_status pkm_strbuf_printf(pkm_strbuf *buffer, const char *format, ...)
{
    va_list args;
    int bytes;

    va_start(args, format);
    bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (bytes < 0)
        return pkm_fail(PKM_ERR_INTERNAL, "text that cannot be formatted");
    PKM_TRY(reserve(buffer, (size_t)bytes));
    va_start(args, format);
    vsnprintf(buffer->data + buffer->length, (size_t)bytes + 1, format, args);
    va_end(args);
    buffer->length += (size_t)bytes;
    return PKM_OK;
}

void pkm_strbuf_clear(pkm_strbuf *buffer)
{
    buffer->length = 0;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

void pkm_strbuf_release(pkm_strbuf *buffer)
{
    pkm_free(buffer->data);
    *buffer = (pkm_strbuf){0};
}
