/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/column_sums_simd.h"

void pkm_column_sums_f32_neon(float *restrict sums, const void *restrict in, int64_t step,
                              int64_t n_rows, int64_t n_columns)
{
    column_sums_all(sums, in, PKM_F32, step, n_rows, n_columns);
}

void pkm_column_sums_bf16_neon(float *restrict sums, const void *restrict in, int64_t step,
                               int64_t n_rows, int64_t n_columns)
{
    column_sums_all(sums, in, PKM_BF16, step, n_rows, n_columns);
}
