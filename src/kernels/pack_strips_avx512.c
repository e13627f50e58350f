/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/pack_strips.h"

#include <immintrin.h>

#include "base/size.h"
#include "kernels/strip_product.h"

static inline __m512i widen(const uint16_t *from, __mmask16 columns)
{
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(columns, from));
}

void pkm_pack_strips_bf16_avx512(void *restrict out, int64_t strip_step, const void *restrict in,
                                 int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    int64_t all_rows = pkm_ceil_div(n_rows, PKM_STRIP_STEP) * PKM_STRIP_STEP;

    for (int64_t i = 0; i < all_rows; i += 2) {
        const uint16_t *even = (const uint16_t *)in + i * in_step, *odd = even + in_step;
        uint16_t *strip = (uint16_t *)out + i * PKM_STRIP;

        for (int64_t j = 0; j < n_columns; j += PKM_STRIP, strip += strip_step) {
            int64_t left = pkm_min_i64(PKM_STRIP, n_columns - j);
            __mmask16 columns = (__mmask16)((1u << left) - 1);
            __m512i first = widen(even + j, i < n_rows ? columns : 0);
            __m512i second = widen(odd + j, i + 1 < n_rows ? columns : 0);

            _mm512_storeu_si512(strip, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
        }
    }
}
