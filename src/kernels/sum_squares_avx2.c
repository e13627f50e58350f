/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/sum_squares.h"

double pkm_sum_squares_avx2(const float *x, int64_t count)
{
    __m256d low = _mm256_setzero_pd(), high = low;
    double part[8], sum = 0;
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256d a = _mm256_cvtps_pd(_mm_loadu_ps(x + i));
        __m256d b = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4));

        low = _mm256_fmadd_pd(a, a, low);
        high = _mm256_fmadd_pd(b, b, high);
    }
    _mm256_storeu_pd(part, low);
    _mm256_storeu_pd(part + 4, high);
    for (; i < count; i++)
        part[i % 8] += (double)x[i] * (double)x[i];
    for (int j = 0; j < 8; j++)
        sum += part[j];
    return sum;
}
