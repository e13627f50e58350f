/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/element_ref.h"
#include "kernels/matvec.h"

static void matvec(float *restrict y, const float *restrict x, const void *restrict w,
                   pkm_dtype dtype, int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    for (int64_t r = 0; r < n_rows; r++) {
        for (int64_t o = 0; o < n_out; o++) {
            double sum = 0;

            for (int64_t i = 0; i < n_in; i++)
                sum += (double)x[r * n_in + i] * (double)element_load(w, dtype, o * w_stride + i);
            y[r * n_out + o] = (float)sum;
        }
    }
}

void pkm_matvec_f32_ref(float *restrict y, const float *restrict x, const void *restrict w,
                        int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec(y, x, w, PKM_F32, w_stride, n_rows, n_out, n_in);
}

void pkm_matvec_bf16_ref(float *restrict y, const float *restrict x, const void *restrict w,
                         int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec(y, x, w, PKM_BF16, w_stride, n_rows, n_out, n_in);
}

void pkm_matvec_i8_ref(float *restrict y, const float *restrict x, const void *restrict w,
                       int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec(y, x, w, PKM_I8, w_stride, n_rows, n_out, n_in);
}
