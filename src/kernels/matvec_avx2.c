/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "base/dtype.h"
#include "kernels/matvec.h"

static __m256 load_bf16(const uint16_t *from)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));

    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static float sum_lanes(__m256 even, __m256 odd)
{
    __m256 both = _mm256_add_ps(even, odd);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* sum_i x[i] w[i], two chains of additions to hide their latency. */
static float dot_f32(const float *x, const float *w, int64_t n_in)
{
    __m256 even = _mm256_setzero_ps(), odd = even;
    int64_t i = 0;
    float sum;

    for (; i + 16 <= n_in; i += 16) {
        even = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(w + i), even);
        odd = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(w + i + 8), odd);
    }
    sum = sum_lanes(even, odd);
    for (; i < n_in; i++)
        sum += x[i] * w[i];
    return sum;
}

static float dot_bf16(const uint16_t *x, const uint16_t *w, int64_t n_in)
{
    __m256 even = _mm256_setzero_ps(), odd = even;
    int64_t i = 0;
    float sum;

    for (; i + 16 <= n_in; i += 16) {
        even = _mm256_fmadd_ps(load_bf16(x + i), load_bf16(w + i), even);
        odd = _mm256_fmadd_ps(load_bf16(x + i + 8), load_bf16(w + i + 8), odd);
    }
    sum = sum_lanes(even, odd);
    for (; i < n_in; i++)
        sum += pkm_bf16_to_f32(x[i]) * pkm_bf16_to_f32(w[i]);
    return sum;
}

void pkm_matvec_f32_avx2(float *restrict y, const void *restrict x, const void *restrict w,
                         int64_t n_rows, int64_t n_out, int64_t n_in)
{
    for (int64_t o = 0; o < n_out; o++)
        for (int64_t r = 0; r < n_rows; r++)
            y[r * n_out + o] =
                dot_f32((const float *)x + r * n_in, (const float *)w + o * n_in, n_in);
}

void pkm_matvec_bf16_avx2(float *restrict y, const void *restrict x, const void *restrict w,
                          int64_t n_rows, int64_t n_out, int64_t n_in)
{
    for (int64_t o = 0; o < n_out; o++)
        for (int64_t r = 0; r < n_rows; r++)
            y[r * n_out + o] =
                dot_bf16((const uint16_t *)x + r * n_in, (const uint16_t *)w + o * n_in, n_in);
}
