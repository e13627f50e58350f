/* SPDX-License-Identifier: Apache-2.0 */
/* Size arithmetic that cannot wrap: all sizes derived from files or options go through here. */
#ifndef PKM_BASE_SIZE_H
#define PKM_BASE_SIZE_H

#include <limits.h>
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

/*
 * The same where the result goes to an allocation, a layout or a limit: what does not fit is
 * SIZE_MAX, which all of these refuse.
 */
static inline size_t pkm_size_product(size_t a, size_t b)
{
    size_t out = SIZE_MAX;

    (void)pkm_size_mul(a, b, &out);
    return out;
}

static inline size_t pkm_size_sum(size_t a, size_t b)
{
    size_t out = SIZE_MAX;

    (void)pkm_size_add(a, b, &out);
    return out;
}

/* For printf's widths and for lengths that are compared with small limits: value, or INT_MAX. */
static inline int pkm_size_int(size_t value)
{
    return value < INT_MAX ? (int)value : INT_MAX;
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

/* The next multiple, or SIZE_MAX. */
static inline size_t pkm_round_up(size_t value, size_t multiple)
{
    size_t rest = value % multiple;

    return rest == 0 ? value : pkm_size_sum(value, multiple - rest);
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
