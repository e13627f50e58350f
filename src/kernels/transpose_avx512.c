/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/transpose.h"

/* Transposes a 16 x 16 block of 4-byte elements in place: pairs, fours, then quarters of rows.
 * Inline and unrolled, so that the block stays in registers. */
static inline __attribute__((always_inline)) void turn(__m512i row[16])
{
    __m512i pair[16], four[16];

#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {
        pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
        pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4) {
        four[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
        four[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
        four[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
        four[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
    }
    /* four[4 g + c] holds, in quarter q, column 4 q + c of rows 4 g .. 4 g + 3. */
#pragma GCC unroll 16
    for (int c = 0; c < 4; c++) {
        __m512i low = _mm512_shuffle_i32x4(four[c], four[4 + c], 0x88);
        __m512i high = _mm512_shuffle_i32x4(four[c], four[4 + c], 0xdd);
        __m512i low2 = _mm512_shuffle_i32x4(four[8 + c], four[12 + c], 0x88);
        __m512i high2 = _mm512_shuffle_i32x4(four[8 + c], four[12 + c], 0xdd);

        row[c] = _mm512_shuffle_i32x4(low, low2, 0x88);
        row[8 + c] = _mm512_shuffle_i32x4(low, low2, 0xdd);
        row[4 + c] = _mm512_shuffle_i32x4(high, high2, 0x88);
        row[12 + c] = _mm512_shuffle_i32x4(high, high2, 0xdd);
    }
}

void pkm_transpose_f32_avx512(void *restrict out, int64_t out_step, const void *restrict in,
                              int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const float *from = in;
    float *to = out;
    int64_t rows = n_rows / 16 * 16, columns = n_columns / 16 * 16;
    __m512i block[16];

    for (int64_t i = 0; i < rows; i += 16) {
        for (int64_t j = 0; j < columns; j += 16) {
#pragma GCC unroll 16
            for (int r = 0; r < 16; r++)
                block[r] = _mm512_loadu_si512(from + (i + r) * in_step + j);
            turn(block);
#pragma GCC unroll 16
            for (int c = 0; c < 16; c++)
                _mm512_storeu_si512(to + (j + c) * out_step + i, block[c]);
        }
    }
    pkm_transpose_f32_ref(to + columns * out_step, out_step, from + columns, in_step, rows,
                          n_columns - columns);
    pkm_transpose_f32_ref(to + rows, out_step, from + rows * in_step, in_step, n_rows - rows,
                          n_columns);
}

/* Two rows of 16 elements, interleaved: 16 pairs of 4 bytes. */
static __m512i load_pairs(const uint16_t *even, const uint16_t *odd)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)even));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)odd));

    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

void pkm_transpose_bf16_avx512(void *restrict out, int64_t out_step, const void *restrict in,
                               int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    uint16_t *to = out;
    int64_t rows = n_rows / 32 * 32, columns = n_columns / 16 * 16;
    __m512i block[16];

    for (int64_t i = 0; i < rows; i += 32) {
        for (int64_t j = 0; j < columns; j += 16) {
#pragma GCC unroll 16
            for (int r = 0; r < 16; r++) {
                const uint16_t *even = from + (i + 2 * r) * in_step + j;

                block[r] = load_pairs(even, even + in_step);
            }
            turn(block);
#pragma GCC unroll 16
            for (int c = 0; c < 16; c++)
                _mm512_storeu_si512(to + (j + c) * out_step + i, block[c]);
        }
    }
    pkm_transpose_bf16_ref(to + columns * out_step, out_step, from + columns, in_step, rows,
                           n_columns - columns);
    pkm_transpose_bf16_ref(to + rows, out_step, from + rows * in_step, in_step, n_rows - rows,
                           n_columns);
}
