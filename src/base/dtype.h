/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and scalar conversions of element types. Row conversions live in src/kernels/convert.h. */
#ifndef PKM_BASE_DTYPE_H
#define PKM_BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pkm/dtype.h"

/* Quantising gives -PKM_I8_MAX to PKM_I8_MAX, times a scale. */
enum { PKM_I8_MAX = 127 };

static inline size_t pkm_dtype_bytes(pkm_dtype dtype)
{
    static const unsigned char bytes[] = {4, 2, 1, 4, 1};

    return bytes[dtype];
}

/* "f32", as messages and tables say it. */
static inline const char *pkm_dtype_name(pkm_dtype dtype)
{
    static const char *const names[] = {"f32", "bf16", "int8", "i32", "u8"};

    return names[dtype];
}

static inline float pkm_bf16_to_f32(uint16_t value)
{
    uint32_t bits = (uint32_t)value << 16;
    float out;

    memcpy(&out, &bits, sizeof out);
    return out;
}

/* IEEE binary16, subnormals, infinities and NaN included. */
static inline float pkm_f16_to_f32(uint16_t value)
{
    uint32_t sign = (uint32_t)(value & 0x8000u) << 16, rest = value & 0x7fffu, bits;
    float out;

    if (rest < 0x400u) { /* zero or subnormal: a multiple of 2^-24, exact in binary32 */
        out = (float)rest * 0x1p-24f;
        return sign != 0 ? -out : out;
    }
    bits = sign | ((rest << 13) + (rest >= 0x7c00u ? 0x70000000u : 0x38000000u));
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Round to nearest, ties to even; a NaN stays a (quiet) NaN. */
static inline uint16_t pkm_f32_to_bf16(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

#endif
