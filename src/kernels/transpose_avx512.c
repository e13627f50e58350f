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

/* Pieces of 16 bytes of rows r, r + 8, r + 16 and r + 24, side by side. */
static inline __m512i four_pieces(const uint16_t *from, int64_t in_step)
{
    __m512i rows = _mm512_castsi128_si512(_mm_loadu_si128((const void *)from));

    rows = _mm512_inserti32x4(rows, _mm_loadu_si128((const void *)(from + 8 * in_step)), 1);
    rows = _mm512_inserti32x4(rows, _mm_loadu_si128((const void *)(from + 16 * in_step)), 2);
    return _mm512_inserti32x4(rows, _mm_loadu_si128((const void *)(from + 24 * in_step)), 3);
}

/*
 * 32 rows x 8 columns become 8 rows of 64 bytes. Each quarter of the vectors is a block of 8 x 8
 * that is turned by itself: the quarters then stand in the order of the rows they came from.
 */
static inline __attribute__((always_inline)) void turn_pieces(uint16_t *to, int64_t out_step,
                                                              const uint16_t *from, int64_t in_step)
{
    __m512i row[8], pair[8], four[8];

#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
        row[r] = four_pieces(from + r * in_step, in_step);
#pragma GCC unroll 4
    for (int r = 0; r < 8; r += 2) {
        pair[r] = _mm512_unpacklo_epi16(row[r], row[r + 1]);
        pair[r + 1] = _mm512_unpackhi_epi16(row[r], row[r + 1]);
    }
#pragma GCC unroll 2
    for (int r = 0; r < 8; r += 4) {
        four[r] = _mm512_unpacklo_epi32(pair[r], pair[r + 2]);
        four[r + 1] = _mm512_unpackhi_epi32(pair[r], pair[r + 2]);
        four[r + 2] = _mm512_unpacklo_epi32(pair[r + 1], pair[r + 3]);
        four[r + 3] = _mm512_unpackhi_epi32(pair[r + 1], pair[r + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        _mm512_storeu_si512(to + 2 * c * out_step, _mm512_unpacklo_epi64(four[c], four[4 + c]));
        _mm512_storeu_si512(to + (2 * c + 1) * out_step,
                            _mm512_unpackhi_epi64(four[c], four[4 + c]));
    }
}

void pkm_transpose_bf16_avx512(void *restrict out, int64_t out_step, const void *restrict in,
                               int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    uint16_t *to = out;
    int64_t rows = n_rows / 32 * 32, columns = n_columns / 8 * 8;

    for (int64_t i = 0; i < rows; i += 32)
        for (int64_t j = 0; j < columns; j += 8)
            turn_pieces(to + j * out_step + i, out_step, from + i * in_step + j, in_step);
    pkm_transpose_bf16_ref(to + columns * out_step, out_step, from + columns, in_step, rows,
                           n_columns - columns);
    pkm_transpose_bf16_ref(to + rows, out_step, from + rows * in_step, in_step, n_rows - rows,
                           n_columns);
}
