/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/transpose.h"

/* Pieces of 16 bytes, side by side. */
static inline __m256i two_pieces(const void *a, const void *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(a)), _mm_loadu_si128(b),
                                   1);
}

/* 8 rows x 4 columns become 4 rows of 32 bytes. Each half of the vectors is a block of 4 x 4 that
 * is turned by itself: the halves then stand in the order of the rows they came from. */
static inline void turn_words(uint32_t *to, int64_t out_step, const uint32_t *from, int64_t in_step)
{
    __m256i row[4], pair[4];

#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
        row[r] = two_pieces(from + r * in_step, from + (r + 4) * in_step);
#pragma GCC unroll 2
    for (int r = 0; r < 4; r += 2) {
        pair[r] = _mm256_unpacklo_epi32(row[r], row[r + 1]);
        pair[r + 1] = _mm256_unpackhi_epi32(row[r], row[r + 1]);
    }
#pragma GCC unroll 2
    for (int c = 0; c < 2; c++) {
        _mm256_storeu_si256((void *)(to + 2 * c * out_step),
                            _mm256_unpacklo_epi64(pair[c], pair[2 + c]));
        _mm256_storeu_si256((void *)(to + (2 * c + 1) * out_step),
                            _mm256_unpackhi_epi64(pair[c], pair[2 + c]));
    }
}

void pkm_transpose_f32_avx2(void *restrict out, int64_t out_step, const void *restrict in,
                            int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint32_t *from = in;
    uint32_t *to = out;
    int64_t rows = n_rows / 16 * 16, columns = n_columns / 4 * 4;

    for (int64_t i = 0; i < rows; i += 16)
        for (int64_t j = 0; j < columns; j += 4)
            for (int64_t half = i; half < i + 16; half += 8) /* whole lines of out */
                turn_words(to + j * out_step + half, out_step, from + half * in_step + j, in_step);
    pkm_transpose_f32_ref(to + columns * out_step, out_step, from + columns, in_step, rows,
                          n_columns - columns);
    pkm_transpose_f32_ref(to + rows, out_step, from + rows * in_step, in_step, n_rows - rows,
                          n_columns);
}

/* 16 rows x 8 columns become 8 rows of 32 bytes, by halves as above. */
static inline void turn_halves(uint16_t *to, int64_t out_step, const uint16_t *from,
                               int64_t in_step)
{
    __m256i row[8], pair[8], four[8];

#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
        row[r] = two_pieces(from + r * in_step, from + (r + 8) * in_step);
#pragma GCC unroll 4
    for (int r = 0; r < 8; r += 2) {
        pair[r] = _mm256_unpacklo_epi16(row[r], row[r + 1]);
        pair[r + 1] = _mm256_unpackhi_epi16(row[r], row[r + 1]);
    }
#pragma GCC unroll 2
    for (int r = 0; r < 8; r += 4) {
        four[r] = _mm256_unpacklo_epi32(pair[r], pair[r + 2]);
        four[r + 1] = _mm256_unpackhi_epi32(pair[r], pair[r + 2]);
        four[r + 2] = _mm256_unpacklo_epi32(pair[r + 1], pair[r + 3]);
        four[r + 3] = _mm256_unpackhi_epi32(pair[r + 1], pair[r + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        _mm256_storeu_si256((void *)(to + 2 * c * out_step),
                            _mm256_unpacklo_epi64(four[c], four[4 + c]));
        _mm256_storeu_si256((void *)(to + (2 * c + 1) * out_step),
                            _mm256_unpackhi_epi64(four[c], four[4 + c]));
    }
}

void pkm_transpose_bf16_avx2(void *restrict out, int64_t out_step, const void *restrict in,
                             int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    uint16_t *to = out;
    int64_t rows = n_rows / 32 * 32, columns = n_columns / 8 * 8;

    for (int64_t i = 0; i < rows; i += 32)
        for (int64_t j = 0; j < columns; j += 8)
            for (int64_t half = i; half < i + 32; half += 16)
                turn_halves(to + j * out_step + half, out_step, from + half * in_step + j, in_step);
    pkm_transpose_bf16_ref(to + columns * out_step, out_step, from + columns, in_step, rows,
                           n_columns - columns);
    pkm_transpose_bf16_ref(to + rows, out_step, from + rows * in_step, in_step, n_rows - rows,
                           n_columns);
}
