/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix times vector over vectors; include after a vec_<isa>.h. The matrix is read at the speed of
 * memory whatever the arithmetic, so bf16 is widened rather than multiplied as such.
 */
#include "kernels/matvec.h"
#include "kernels/row_simd.h"

/* sum_i x[x_at + i] w[w_at + i], in four chains of additions to hide their latency. */
PKM_INLINE float matvec_dot(const void *x, int64_t x_at, const void *w, int64_t w_at,
                            pkm_dtype dtype, int64_t n_in)
{
    vec sum[4] = {vec_set(0), vec_set(0), vec_set(0), vec_set(0)};
    int64_t i = 0;

    for (; i + 4 * VEC <= n_in; i += 4 * VEC)
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++)
            sum[c] = vec_fma(row_load(x, dtype, x_at + i + c * VEC, VEC),
                             row_load(w, dtype, w_at + i + c * VEC, VEC), sum[c]);
    for (; i < n_in; i += VEC)
        sum[0] = vec_fma(row_load(x, dtype, x_at + i, n_in - i),
                         row_load(w, dtype, w_at + i, n_in - i), sum[0]);
    return vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
}

PKM_INLINE void matvec_all(float *restrict y, const void *restrict x, const void *restrict w,
                           pkm_dtype dtype, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    for (int64_t o = 0; o < n_out; o++)
        for (int64_t r = 0; r < n_rows; r++)
            y[r * n_out + o] = matvec_dot(x, r * n_in, w, o * n_in, dtype, n_in);
}
