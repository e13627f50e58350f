/* SPDX-License-Identifier: Apache-2.0 */
/* Column sums over vectors; include after a vec_<isa>.h. */
#include "kernels/column_sums.h"
#include "kernels/row_simd.h"

/* Vectors of columns whose sums stay in registers: as many chains of additions hide their latency.
 */
enum { STRIP = 8 };

PKM_INLINE void column_sums_all(float *restrict sums, const void *restrict in, pkm_dtype dtype,
                                int64_t step, int64_t n_rows, int64_t n_columns)
{
    int64_t j = 0;

    for (; j + STRIP * VEC <= n_columns; j += STRIP * VEC) {
        vec sum[STRIP];

#pragma GCC unroll 8
        for (int c = 0; c < STRIP; c++)
            sum[c] = vec_set(0);
        for (int64_t i = 0; i < n_rows; i++)
#pragma GCC unroll 8
            for (int c = 0; c < STRIP; c++)
                sum[c] = vec_add(sum[c], row_load(in, dtype, i * step + j + c * VEC, VEC));
#pragma GCC unroll 8
        for (int c = 0; c < STRIP; c++)
            vec_store(sums + j + c * VEC, sum[c], VEC);
    }
    for (; j < n_columns; j += VEC) {
        vec sum = vec_set(0);

        for (int64_t i = 0; i < n_rows; i++)
            sum = vec_add(sum, row_load(in, dtype, i * step + j, n_columns - j));
        vec_store(sums + j, sum, n_columns - j);
    }
}
