/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dtype.h"
#include "kernels/matvec.h"

void pkm_matvec_f32_ref(float *restrict y, const void *restrict x, const void *restrict w,
                        int64_t n_rows, int64_t n_out, int64_t n_in)
{
    const float *row = x, *weight = w;

    for (int64_t r = 0; r < n_rows; r++) {
        for (int64_t o = 0; o < n_out; o++) {
            double sum = 0;

            for (int64_t i = 0; i < n_in; i++)
                sum += (double)row[r * n_in + i] * (double)weight[o * n_in + i];
            y[r * n_out + o] = (float)sum;
        }
    }
}

void pkm_matvec_bf16_ref(float *restrict y, const void *restrict x, const void *restrict w,
                         int64_t n_rows, int64_t n_out, int64_t n_in)
{
    const uint16_t *row = x, *weight = w;

    for (int64_t r = 0; r < n_rows; r++) {
        for (int64_t o = 0; o < n_out; o++) {
            double sum = 0;

            for (int64_t i = 0; i < n_in; i++)
                sum += (double)pkm_bf16_to_f32(row[r * n_in + i]) *
                       (double)pkm_bf16_to_f32(weight[o * n_in + i]);
            y[r * n_out + o] = (float)sum;
        }
    }
}
