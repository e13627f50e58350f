/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/matvec_simd.h"

void pkm_matvec_f32_neon(float *restrict y, const void *restrict x, const void *restrict w,
                         int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec_all(y, x, w, PKM_F32, n_rows, n_out, n_in);
}

void pkm_matvec_bf16_neon(float *restrict y, const void *restrict x, const void *restrict w,
                          int64_t n_rows, int64_t n_out, int64_t n_in)
{
    matvec_all(y, x, w, PKM_BF16, n_rows, n_out, n_in);
}
