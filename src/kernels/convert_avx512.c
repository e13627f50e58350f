/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/convert.h"

/* The lanes of a last, partial vector. */
static __mmask16 tail_mask(int64_t left)
{
    return (__mmask16)(left >= 16 ? 0xffffu : (1u << left) - 1);
}

void pkm_f32_to_bf16_avx512(uint16_t *restrict out, const float *restrict in, int64_t count)
{
    const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff);

    for (int64_t i = 0; i < count; i += 16) {
        __mmask16 lanes = tail_mask(count - i);
        __m512 value = _mm512_maskz_loadu_ps(lanes, in + i);
        __m512i bits = _mm512_castps_si512(value);
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
        __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, half));
        __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
        __m512i fixed = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));

        _mm512_mask_cvtepi32_storeu_epi16(out + i, lanes, _mm512_srli_epi32(fixed, 16));
    }
}

void pkm_bf16_to_f32_avx512(float *restrict out, const uint16_t *restrict in, int64_t count)
{
    for (int64_t i = 0; i < count; i += 16) {
        __mmask16 lanes = tail_mask(count - i);
        __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, in + i));

        _mm512_mask_storeu_ps(out + i, lanes, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)));
    }
}
