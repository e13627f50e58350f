/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/sum_squares.h"

double pkm_sum_squares_avx512(const float *x, int64_t count)
{
    __m512d sums = _mm512_setzero_pd();
    double part[8], sum = 0;

    for (int64_t i = 0; i < count; i += 8) {
        __mmask8 lanes = (__mmask8)(count - i >= 8 ? 0xffu : (1u << (count - i)) - 1);
        __m512d a = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes, x + i));

        sums = _mm512_fmadd_pd(a, a, sums);
    }
    _mm512_storeu_pd(part, sums);
    for (int j = 0; j < 8; j++)
        sum += part[j];
    return sum;
}
