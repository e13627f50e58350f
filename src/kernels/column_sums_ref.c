/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dtype.h"
#include "kernels/column_sums.h"

void pkm_column_sums_f32_ref(float *restrict sums, const void *restrict in, int64_t step,
                             int64_t n_rows, int64_t n_columns)
{
    const float *from = in;

    for (int64_t j = 0; j < n_columns; j++) {
        sums[j] = 0.0f;
        for (int64_t i = 0; i < n_rows; i++)
            sums[j] += from[i * step + j];
    }
}

void pkm_column_sums_bf16_ref(float *restrict sums, const void *restrict in, int64_t step,
                              int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;

    for (int64_t j = 0; j < n_columns; j++) {
        sums[j] = 0.0f;
        for (int64_t i = 0; i < n_rows; i++)
            sums[j] += pkm_bf16_to_f32(from[i * step + j]);
    }
}
