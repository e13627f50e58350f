/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

#include "kernels/attend_simd.h"

void pkm_attend_softmax_f32_avx512(const pkm_attend_softmax *block)
{
    attend_softmax_all(block, false);
}

void pkm_attend_softmax_bf16_avx512(const pkm_attend_softmax *block)
{
    attend_softmax_all(block, true);
}

void pkm_attend_slopes_f32_avx512(const pkm_attend_slopes *block)
{
    attend_slopes_all(block, false);
}

void pkm_attend_slopes_bf16_avx512(const pkm_attend_slopes *block)
{
    attend_slopes_all(block, true);
}
