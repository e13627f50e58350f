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

/*
 * 32 x 32 elements: pairs of rows, interleaved, are rows of 4-byte elements. Of a whole line of 32
 * columns the lower interleaving takes the columns 8 q + 0 .. 3, the upper one 8 q + 4 .. 7.
 */
static inline __attribute__((always_inline)) void turn_pairs(uint16_t *to, int64_t out_step,
                                                             const uint16_t *from, int64_t in_step)
{
    __m512i low[16], high[16];

#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) {
        __m512i even = _mm512_loadu_si512(from + 2 * r * in_step);
        __m512i odd = _mm512_loadu_si512(from + (2 * r + 1) * in_step);

        low[r] = _mm512_unpacklo_epi16(even, odd);
        high[r] = _mm512_unpackhi_epi16(even, odd);
    }
    turn(low);
#pragma GCC unroll 16
    for (int c = 0; c < 16; c++)
        _mm512_storeu_si512(to + (8 * (c / 4) + c % 4) * out_step, low[c]);
    turn(high);
#pragma GCC unroll 16
    for (int c = 0; c < 16; c++)
        _mm512_storeu_si512(to + (8 * (c / 4) + 4 + c % 4) * out_step, high[c]);
}

void pkm_transpose_bf16_avx512(void *restrict out, int64_t out_step, const void *restrict in,
                               int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    uint16_t *to = out;
    int64_t rows = n_rows / 32 * 32, columns = n_columns / 32 * 32;

    for (int64_t i = 0; i < rows; i += 32)
        for (int64_t j = 0; j < columns; j += 32)
            turn_pairs(to + j * out_step + i, out_step, from + i * in_step + j, in_step);
    pkm_transpose_bf16_ref(to + columns * out_step, out_step, from + columns, in_step, rows,
                           n_columns - columns);
    pkm_transpose_bf16_ref(to + rows, out_step, from + rows * in_step, in_step, n_rows - rows,
                           n_columns);
}
