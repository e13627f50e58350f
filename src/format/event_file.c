/* SPDX-License-Identifier: Apache-2.0 */
#include "format/event_file.h"

#include <string.h>

/* Castagnoli's polynomial, bit by bit: a record holds a few hundred bytes. */
static uint32_t crc32c(const unsigned char *data, size_t bytes)
{
    const uint32_t polynomial = 0x82f63b78;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) * polynomial);
    }
    return ~crc;
}

static pkm_status append_fixed(pkm_strbuf *out, uint64_t value, int bytes)
{
    unsigned char little[8];

    for (int i = 0; i < bytes; i++)
        little[i] = (unsigned char)(value >> (8 * i));
    return pkm_strbuf_append(out, little, (size_t)bytes);
}

static pkm_status append_check(pkm_strbuf *out, const char *data, size_t bytes)
{
    uint32_t crc = crc32c((const unsigned char *)data, bytes);

    return append_fixed(out, ((crc >> 15) | (crc << 17)) + 0xa282ead8u, 4);
}

/* ---- protobuf ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

static pkm_status append_varint(pkm_strbuf *out, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    return pkm_strbuf_append(out, bytes, n);
}

static pkm_status append_key(pkm_strbuf *out, int field, int wire_type)
{
    return append_varint(out, (uint64_t)(field << 3 | wire_type));
}

static pkm_status append_bytes(pkm_strbuf *out, int field, const void *data, size_t bytes)
{
    PKM_TRY(append_key(out, field, BYTES));
    PKM_TRY(append_varint(out, bytes));
    return pkm_strbuf_append(out, data, bytes);
}

static pkm_status append_value(pkm_strbuf *out, const pkm_event_scalar *scalar)
{
    float value = (float)scalar->value;
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    PKM_TRY(append_bytes(out, 1, scalar->tag, strlen(scalar->tag)));
    PKM_TRY(append_key(out, 2, FIXED32));
    return append_fixed(out, bits, 4);
}

/* The record of an event at `step` whose field `field` holds the bytes of `content`, which is
 * emptied. */
static pkm_status append_record(pkm_strbuf *out, double wall, int64_t step, int field,
                                pkm_strbuf *content)
{
    pkm_strbuf event = {0};
    uint64_t bits;
    size_t begin = out->length;
    pkm_status status;

    memcpy(&bits, &wall, sizeof bits);
    status = append_key(&event, 1, FIXED64);
    if (status == PKM_OK)
        status = append_fixed(&event, bits, 8);
    if (status == PKM_OK && step != 0) /* protobuf leaves zeros out */
        status = append_key(&event, 2, VARINT);
    if (status == PKM_OK && step != 0)
        status = append_varint(&event, (uint64_t)step);
    if (status == PKM_OK)
        status = append_bytes(&event, field, content->data, content->length);
    pkm_strbuf_release(content);
    if (status == PKM_OK)
        status = append_fixed(out, event.length, 8);
    if (status == PKM_OK)
        status = append_check(out, out->data + begin, 8);
    if (status == PKM_OK)
        status = pkm_strbuf_append(out, event.data, event.length);
    if (status == PKM_OK)
        status = append_check(out, event.data, event.length);
    pkm_strbuf_release(&event);
    return status;
}

pkm_status pkm_event_version(pkm_strbuf *out, double wall)
{
    static const char version[] = "brain.Event:2";
    pkm_strbuf content = {0};

    PKM_TRY(pkm_strbuf_append(&content, version, sizeof version - 1));
    return append_record(out, wall, 0, 3, &content);
}

pkm_status pkm_event_restart(pkm_strbuf *out, double wall, int64_t step)
{
    static const unsigned char start[] = {1 << 3 | VARINT, 1}; /* status: START */
    pkm_strbuf content = {0};

    PKM_TRY(pkm_strbuf_append(&content, start, sizeof start));
    return append_record(out, wall, step, 7, &content);
}

pkm_status pkm_event_scalars(pkm_strbuf *out, double wall, int64_t step,
                             const pkm_event_scalar *scalars, int n_scalars)
{
    pkm_strbuf summary = {0}, value = {0};
    pkm_status status = PKM_OK;

    for (int i = 0; i < n_scalars && status == PKM_OK; i++) {
        pkm_strbuf_clear(&value);
        status = append_value(&value, &scalars[i]);
        if (status == PKM_OK)
            status = append_bytes(&summary, 1, value.data, value.length);
    }
    pkm_strbuf_release(&value);
    if (status == PKM_OK)
        return append_record(out, wall, step, 5, &summary);
    pkm_strbuf_release(&summary);
    return status;
}
