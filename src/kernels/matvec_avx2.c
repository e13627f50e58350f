/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#include "kernels/matvec_simd.h"

void pkm_matvec_f32_avx2(float *restrict y, const float *restrict x, const void *restrict w,
                         int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec_all(y, x, w, PKM_F32, w_stride, n_rows, n_out, n_in);
}

void pkm_matvec_bf16_avx2(float *restrict y, const float *restrict x, const void *restrict w,
                          int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec_all(y, x, w, PKM_BF16, w_stride, n_rows, n_out, n_in);
}

void pkm_matvec_i8_avx2(float *restrict y, const float *restrict x, const void *restrict w,
                        int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec_all(y, x, w, PKM_I8, w_stride, n_rows, n_out, n_in);
}
