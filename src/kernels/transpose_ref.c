/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/transpose.h"

void pkm_transpose_f32_ref(void *restrict out, int64_t out_step, const void *restrict in,
                           int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint32_t *from = in;
    uint32_t *to = out;

    for (int64_t j = 0; j < n_columns; j++)
        for (int64_t i = 0; i < n_rows; i++)
            to[j * out_step + i] = from[i * in_step + j];
}

void pkm_transpose_bf16_ref(void *restrict out, int64_t out_step, const void *restrict in,
                            int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    uint16_t *to = out;

    for (int64_t j = 0; j < n_columns; j++)
        for (int64_t i = 0; i < n_rows; i++)
            to[j * out_step + i] = from[i * in_step + j];
}
