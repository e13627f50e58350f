/* SPDX-License-Identifier: Apache-2.0 */
/* Size arithmetic that cannot wrap: all sizes derived from files or options go through here. */
#ifndef PKM_BASE_SIZE_H
#define PKM_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b, or false (and *out untouched) if that does not fit. */
static inline bool pkm_size_mul(size_t a, size_t b, size_t *out)
{
    size_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* *out = a + b, or false (and *out untouched) if that does not fit. */
static inline bool pkm_size_add(size_t a, size_t b, size_t *out)
{
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

/* *out = product of dims (each >= 0) times element_bytes, or false. */
static inline bool pkm_size_shape(const int64_t *dims, int n_dims, size_t element_bytes,
                                  size_t *out)
{
    size_t total = element_bytes;

    for (int i = 0; i < n_dims; i++)
        if (dims[i] < 0 || !pkm_size_mul(total, (size_t)dims[i], &total))
            return false;
    *out = total;
    return true;
}

static inline int64_t pkm_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline size_t pkm_round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static inline int64_t pkm_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t pkm_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
