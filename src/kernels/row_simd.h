/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors from rows of f32, bf16 or int8; include after a vec_<isa>.h. `dtype` is a constant in
 * every use. */
#ifndef PKM_KERNELS_ROW_SIMD_H
#define PKM_KERNELS_ROW_SIMD_H

#include <stdbool.h>

#include "base/dtype.h"

#define PKM_INLINE static inline __attribute__((always_inline))

enum { ROW_LINE_BYTES = 64 };

PKM_INLINE vec row_load(const void *values, pkm_dtype dtype, int64_t at, int64_t left)
{
    if (dtype == PKM_F32)
        return vec_load((const float *)values + at, left);
    if (dtype == PKM_I8)
        return vec_load_i8((const int8_t *)values + at, left);
    return vec_load_bf16((const uint16_t *)values + at, left);
}

/* Asks for the cache line of element `at` if a vector at that place opens one, counting from
 * `column` 0 of the row; `far` ahead of its use, into the second-level cache. */
PKM_INLINE void row_prefetch(const void *values, pkm_dtype dtype, int64_t at, int64_t column,
                             const bool far)
{
    const char *p = (const char *)values + (size_t)at * pkm_dtype_bytes(dtype);

    if (column % (ROW_LINE_BYTES / (int64_t)pkm_dtype_bytes(dtype)) != 0)
        return;
    if (far)
        __builtin_prefetch(p, 0, 2);
    else
        __builtin_prefetch(p, 0, 3);
}

#endif
