/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix times vector over vectors; include after a vec_<isa>.h. The matrix is read at the speed of
 * memory whatever the arithmetic, so bf16 and int8 are widened rather than multiplied as such.
 */
#include "kernels/matvec.h"
#include "kernels/row_simd.h"

/* Rows without gaps are one stream, which is asked for so far ahead; others, a row at a time, as
 * many rows ahead. Into the second-level cache, which measured best (docs/speed-log.md). */
enum { BYTES_AHEAD = 6144, ROWS_AHEAD = 8 };

/* A row of w and where to ask for what comes after it, both in bytes. */
typedef struct matvec_row {
    const char *w;
    int64_t ahead;
} matvec_row;

/* Asks for the lines that are `ahead` of elements [i, i + 4 VEC) of the row. */
PKM_INLINE void matvec_prefetch(const matvec_row *row, pkm_dtype dtype, int64_t i)
{
    const int64_t element = (int64_t)pkm_dtype_bytes(dtype);

#pragma GCC unroll 4
    for (int64_t at = 0; at < 4 * VEC * element; at += ROW_LINE_BYTES)
        __builtin_prefetch(row->w + i * element + row->ahead + at, 0, 2);
}

/* sum_i x[i] w[i], in four chains of additions to hide their latency. */
PKM_INLINE float matvec_dot(const float *x, const matvec_row *row, pkm_dtype dtype, int64_t n_in)
{
    vec sum[4] = {vec_set(0), vec_set(0), vec_set(0), vec_set(0)};
    int64_t i = 0;

    for (; i + 4 * VEC <= n_in; i += 4 * VEC) {
        matvec_prefetch(row, dtype, i);
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++)
            sum[c] = vec_fma(vec_load_all(x + i + c * VEC),
                             row_load(row->w, dtype, i + c * VEC, VEC), sum[c]);
    }
    for (; i < n_in; i += VEC)
        sum[0] = vec_fma(vec_load(x + i, n_in - i), row_load(row->w, dtype, i, n_in - i), sum[0]);
    return vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
}

PKM_INLINE void matvec_all(float *restrict y, const float *restrict x, const void *restrict w,
                           pkm_dtype dtype, int64_t w_stride, int64_t n_rows, int64_t n_out,
                           int64_t n_in)
{
    const int64_t stride = w_stride * (int64_t)pkm_dtype_bytes(dtype);
    const int64_t ahead = w_stride == n_in ? BYTES_AHEAD : ROWS_AHEAD * stride;

    for (int64_t o = 0; o < n_out; o++) {
        const matvec_row row = {(const char *)w + o * stride, ahead};

        for (int64_t r = 0; r < n_rows; r++)
            y[r * n_out + o] = matvec_dot(x + r * n_in, &row, dtype, n_in);
    }
}
