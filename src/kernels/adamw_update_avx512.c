/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/adamw_update.h"

void pkm_adamw_update_avx512(float *restrict p, float *restrict m, float *restrict v,
                             const float *restrict grad, int64_t count,
                             const pkm_adamw_factors *factors)
{
    const __m512 scale = _mm512_set1_ps(factors->grad_scale);
    const __m512 keep = _mm512_set1_ps(factors->keep), rate = _mm512_set1_ps(factors->rate);
    const __m512 root_scale = _mm512_set1_ps(factors->root_scale);
    const __m512 epsilon = _mm512_set1_ps(factors->epsilon);
    const __m512 beta1 = _mm512_set1_ps(factors->beta1), beta2 = _mm512_set1_ps(factors->beta2);
    const __m512 rest1 = _mm512_set1_ps(factors->one_minus_beta1);
    const __m512 rest2 = _mm512_set1_ps(factors->one_minus_beta2);

    for (int64_t i = 0; i < count; i += 16) {
        __mmask16 lanes =
            count - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (count - i)) - 1);
        __m512 g = _mm512_mul_ps(scale, _mm512_maskz_loadu_ps(lanes, grad + i));
        __m512 m1 = _mm512_add_ps(_mm512_mul_ps(beta1, _mm512_maskz_loadu_ps(lanes, m + i)),
                                  _mm512_mul_ps(rest1, g));
        __m512 v1 = _mm512_add_ps(_mm512_mul_ps(beta2, _mm512_maskz_loadu_ps(lanes, v + i)),
                                  _mm512_mul_ps(_mm512_mul_ps(rest2, g), g));
        __m512 below = _mm512_add_ps(_mm512_mul_ps(_mm512_sqrt_ps(v1), root_scale), epsilon);
        __m512 change = _mm512_div_ps(_mm512_mul_ps(rate, m1), below);
        __m512 kept = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, p + i), keep);

        _mm512_mask_storeu_ps(m + i, lanes, m1);
        _mm512_mask_storeu_ps(v + i, lanes, v1);
        _mm512_mask_storeu_ps(p + i, lanes, _mm512_sub_ps(kept, change));
    }
}
