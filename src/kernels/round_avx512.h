/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic rounding to bf16 (kernels/row_step.h): random words by Philox 4x32-10 as in
 * base/rng.c, 16 blocks at once, and the store that uses them. */
#ifndef PKM_KERNELS_ROUND_AVX512_H
#define PKM_KERNELS_ROUND_AVX512_H

#include <immintrin.h>

#include "base/rng.h"

/* Blocks of one call of random_words; each serves 8 elements. */
enum { RANDOM_BLOCKS = 16 };

static inline void philox_multiply(__m512i *high, __m512i *low, __m512i x, uint32_t factor)
{
    const __m512i by = _mm512_set1_epi64(factor);
    __m512i even = _mm512_mul_epu32(x, by);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), by);

    *high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
    *low = _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));
}

/* words = blocks first .. first + 15. Lane 4 q + p computes block 4 p + q, so that the interleaving
 * at the end leaves the blocks in order. */
static inline void random_words(uint32_t words[4 * RANDOM_BLOCKS], const pkm_rng *rng,
                                uint64_t first)
{
    const __m512i block = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i x0 = _mm512_add_epi32(_mm512_set1_epi32((int)(uint32_t)first), block);
    __m512i x1 = _mm512_set1_epi32((int)(uint32_t)(first >> 32));
    __m512i x2 = _mm512_set1_epi32((int)rng->stream), x3 = _mm512_set1_epi32((int)rng->step);
    uint32_t key0 = (uint32_t)rng->seed, key1 = (uint32_t)(rng->seed >> 32);
    __m512i low01, high01, low23, high23;

    x1 = _mm512_mask_add_epi32(x1, _mm512_cmplt_epu32_mask(x0, block), x1, _mm512_set1_epi32(1));
    for (int round = 0; round < 10; round++) {
        __m512i high0, low0, high1, low1;

        philox_multiply(&high0, &low0, x0, 0xD2511F53u);
        philox_multiply(&high1, &low1, x2, 0xCD9E8D57u);
        x0 = _mm512_xor_si512(_mm512_xor_si512(high1, x1), _mm512_set1_epi32((int)key0));
        x2 = _mm512_xor_si512(_mm512_xor_si512(high0, x3), _mm512_set1_epi32((int)key1));
        x1 = low1;
        x3 = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    low01 = _mm512_unpacklo_epi32(x0, x1);
    high01 = _mm512_unpackhi_epi32(x0, x1);
    low23 = _mm512_unpacklo_epi32(x2, x3);
    high23 = _mm512_unpackhi_epi32(x2, x3);
    _mm512_storeu_si512(words, _mm512_unpacklo_epi64(low01, low23));
    _mm512_storeu_si512(words + 16, _mm512_unpackhi_epi64(low01, low23));
    _mm512_storeu_si512(words + 32, _mm512_unpacklo_epi64(high01, high23));
    _mm512_storeu_si512(words + 48, _mm512_unpackhi_epi64(high01, high23));
}

/* p = the upper halves of bits(value) + random; infinity and NaN as they are. */
static inline void store_rounded(uint16_t *p, __m512 value, const uint16_t *random, int64_t left)
{
    __mmask16 lanes = (__mmask16)(left >= 16 ? 0xffffu : (1u << left) - 1);
    __m512i bits = _mm512_castps_si512(value);
    __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    __mmask16 finite =
        _mm512_cmp_ps_mask(_mm512_abs_ps(value), _mm512_set1_ps(__builtin_inff()), _CMP_LT_OQ);
    __m512i u = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)random));

    bits = _mm512_mask_add_epi32(bits, finite, bits, u);
    bits = _mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x400000));
    _mm512_mask_cvtepi32_storeu_epi16(p, lanes, _mm512_srli_epi32(bits, 16));
}

#endif
