/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#include "kernels/softmax_simd.h"

float pkm_row_max_avx2(const float *x, int64_t count)
{
    return row_max_all(x, count);
}

float pkm_exp_shift_avx2(float *out, const float *x, float factor, float shift, int64_t count)
{
    return exp_shift_all(out, x, factor, shift, count);
}
