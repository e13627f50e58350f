/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/adamw_update.h"

void pkm_adamw_update_avx2(float *restrict p, float *restrict m, float *restrict v,
                           const float *restrict grad, int64_t count,
                           const pkm_adamw_factors *factors)
{
    const __m256 scale = _mm256_set1_ps(factors->grad_scale);
    const __m256 keep = _mm256_set1_ps(factors->keep), rate = _mm256_set1_ps(factors->rate);
    const __m256 root_scale = _mm256_set1_ps(factors->root_scale);
    const __m256 epsilon = _mm256_set1_ps(factors->epsilon);
    const __m256 beta1 = _mm256_set1_ps(factors->beta1), beta2 = _mm256_set1_ps(factors->beta2);
    const __m256 rest1 = _mm256_set1_ps(factors->one_minus_beta1);
    const __m256 rest2 = _mm256_set1_ps(factors->one_minus_beta2);
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256 g = _mm256_mul_ps(scale, _mm256_loadu_ps(grad + i));
        __m256 m1 =
            _mm256_add_ps(_mm256_mul_ps(beta1, _mm256_loadu_ps(m + i)), _mm256_mul_ps(rest1, g));
        __m256 v1 = _mm256_add_ps(_mm256_mul_ps(beta2, _mm256_loadu_ps(v + i)),
                                  _mm256_mul_ps(_mm256_mul_ps(rest2, g), g));
        __m256 below = _mm256_add_ps(_mm256_mul_ps(_mm256_sqrt_ps(v1), root_scale), epsilon);
        __m256 change = _mm256_div_ps(_mm256_mul_ps(rate, m1), below);

        _mm256_storeu_ps(m + i, m1);
        _mm256_storeu_ps(v + i, v1);
        _mm256_storeu_ps(p + i, _mm256_sub_ps(_mm256_mul_ps(_mm256_loadu_ps(p + i), keep), change));
    }
    if (i < count)
        pkm_adamw_update_ref(p + i, m + i, v + i, grad + i, count - i, factors);
}
