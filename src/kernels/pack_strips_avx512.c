/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

#include "kernels/pack_strips_simd.h"

/* Rows taken together: a strip gets some lines at a time, and few rows are read at once. */
enum { GROUP = 16, PAIR = 2 * PKM_STRIP };

static inline __m512i widen(const uint16_t *from, __mmask16 columns)
{
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(columns, from));
}

/* Up to GROUP rows of one strip, of which `exist` are there and the others 0. */
static inline __attribute__((always_inline)) void pack_group(uint16_t *strip, const uint16_t *from,
                                                             int64_t in_step, int64_t exist,
                                                             __mmask16 columns)
{
#pragma GCC unroll 8
    for (int64_t r = 0; r < GROUP; r += 2, strip += PAIR) {
        __m512i even = widen(from + r * in_step, r < exist ? columns : 0);
        __m512i odd = widen(from + (r + 1) * in_step, r + 1 < exist ? columns : 0);

        _mm512_storeu_si512(strip, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
    }
}

void pkm_pack_strips_bf16_avx512(void *restrict out, int64_t strip_step, const void *restrict in,
                                 int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    int64_t all_rows = pkm_ceil_div(n_rows, PKM_STRIP_STEP) * PKM_STRIP_STEP;

    for (int64_t i = 0; i < all_rows; i += GROUP) {
        const uint16_t *from = (const uint16_t *)in + i * in_step;
        uint16_t *strip = (uint16_t *)out + i * PKM_STRIP;
        int64_t j = 0;

        if (i + GROUP <= n_rows)
            for (; j + PKM_STRIP <= n_columns; j += PKM_STRIP, strip += strip_step)
                pack_group(strip, from + j, in_step, GROUP, 0xffff);
        for (; j < n_columns; j += PKM_STRIP, strip += strip_step) {
            int64_t left = pkm_min_i64(PKM_STRIP, n_columns - j);

            pack_group(strip, from + j, in_step, n_rows - i, (__mmask16)((1u << left) - 1));
        }
    }
}

void pkm_pack_strips_f32_avx512(void *restrict out, int64_t strip_step, const void *restrict in,
                                int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    pack_f32(out, strip_step, in, in_step, n_rows, n_columns);
}
