/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/column_sums.h"

/* Columns whose sums stay in registers: 8 x 8 doubles, two cache lines of bf16. */
enum { STRIP = 64, VECTORS = STRIP / 8 };

static __m512d load_f32(const float *from)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(from));
}

static __m512d load_bf16(const uint16_t *from)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));

    return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
}

void pkm_column_sums_f32_avx512(double *restrict sums, const void *restrict in, int64_t step,
                                int64_t n_rows, int64_t n_columns)
{
    const float *from = in;
    int64_t j = 0;

    for (; j + STRIP <= n_columns; j += STRIP) {
        __m512d sum[VECTORS];

        for (int v = 0; v < VECTORS; v++)
            sum[v] = _mm512_loadu_pd(sums + j + 8 * v);
        for (int64_t i = 0; i < n_rows; i++)
            for (int v = 0; v < VECTORS; v++)
                sum[v] = _mm512_add_pd(sum[v], load_f32(from + i * step + j + 8 * v));
        for (int v = 0; v < VECTORS; v++)
            _mm512_storeu_pd(sums + j + 8 * v, sum[v]);
    }
    pkm_column_sums_f32_ref(sums + j, from + j, step, n_rows, n_columns - j);
}

void pkm_column_sums_bf16_avx512(double *restrict sums, const void *restrict in, int64_t step,
                                 int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    int64_t j = 0;

    for (; j + STRIP <= n_columns; j += STRIP) {
        __m512d sum[VECTORS];

        for (int v = 0; v < VECTORS; v++)
            sum[v] = _mm512_loadu_pd(sums + j + 8 * v);
        for (int64_t i = 0; i < n_rows; i++)
            for (int v = 0; v < VECTORS; v++)
                sum[v] = _mm512_add_pd(sum[v], load_bf16(from + i * step + j + 8 * v));
        for (int v = 0; v < VECTORS; v++)
            _mm512_storeu_pd(sums + j + 8 * v, sum[v]);
    }
    pkm_column_sums_bf16_ref(sums + j, from + j, step, n_rows, n_columns - j);
}
