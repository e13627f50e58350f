/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/column_sums.h"

/* Columns whose sums stay in registers: 8 chains of additions hide their latency. */
enum { VECTORS = 8, STRIP = 16 * VECTORS };

static __m512 load_bf16(const uint16_t *from)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from));

    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

void pkm_column_sums_f32_avx512(float *restrict sums, const void *restrict in, int64_t step,
                                int64_t n_rows, int64_t n_columns)
{
    const float *from = in;
    int64_t j = 0;

    for (; j + STRIP <= n_columns; j += STRIP) {
        __m512 sum[VECTORS] = {0};

        for (int64_t i = 0; i < n_rows; i++)
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++)
                sum[v] = _mm512_add_ps(sum[v], _mm512_loadu_ps(from + i * step + j + 16 * v));
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++)
            _mm512_storeu_ps(sums + j + 16 * v, sum[v]);
    }
    pkm_column_sums_f32_ref(sums + j, from + j, step, n_rows, n_columns - j);
}

void pkm_column_sums_bf16_avx512(float *restrict sums, const void *restrict in, int64_t step,
                                 int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    int64_t j = 0;

    for (; j + STRIP <= n_columns; j += STRIP) {
        __m512 sum[VECTORS] = {0};

        for (int64_t i = 0; i < n_rows; i++)
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++)
                sum[v] = _mm512_add_ps(sum[v], load_bf16(from + i * step + j + 16 * v));
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++)
            _mm512_storeu_ps(sums + j + 16 * v, sum[v]);
    }
    pkm_column_sums_bf16_ref(sums + j, from + j, step, n_rows, n_columns - j);
}
