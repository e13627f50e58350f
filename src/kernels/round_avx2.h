/* SPDX-License-Identifier: Apache-2.0 */
/* The names of round_avx512.h, where they are explained, for vectors of 8. */
#ifndef PKM_KERNELS_ROUND_AVX2_H
#define PKM_KERNELS_ROUND_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "base/rng.h"

enum { RANDOM_BLOCKS = 8 };

static inline void philox_multiply(__m256i *high, __m256i *low, __m256i x, uint32_t factor)
{
    const __m256i by = _mm256_set1_epi64x(factor);
    __m256i even = _mm256_mul_epu32(x, by);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), by);

    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* Lane 4 q + p computes block 2 p + q. */
static inline void random_words(uint32_t words[4 * RANDOM_BLOCKS], const pkm_rng *rng,
                                uint64_t first)
{
    const __m256i block = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    __m256i x0 = _mm256_add_epi32(_mm256_set1_epi32((int)(uint32_t)first), block);
    __m256i x1 = _mm256_set1_epi32((int)(uint32_t)(first >> 32));
    __m256i x2 = _mm256_set1_epi32((int)rng->stream), x3 = _mm256_set1_epi32((int)rng->step);
    __m256i no_carry = _mm256_cmpeq_epi32(_mm256_max_epu32(x0, block), x0);
    uint32_t key0 = (uint32_t)rng->seed, key1 = (uint32_t)(rng->seed >> 32);
    __m256i low01, high01, low23, high23, out[4];

    x1 = _mm256_add_epi32(x1, _mm256_andnot_si256(no_carry, _mm256_set1_epi32(1)));
    for (int round = 0; round < 10; round++) {
        __m256i high0, low0, high1, low1;

        philox_multiply(&high0, &low0, x0, 0xD2511F53u);
        philox_multiply(&high1, &low1, x2, 0xCD9E8D57u);
        x0 = _mm256_xor_si256(_mm256_xor_si256(high1, x1), _mm256_set1_epi32((int)key0));
        x2 = _mm256_xor_si256(_mm256_xor_si256(high0, x3), _mm256_set1_epi32((int)key1));
        x1 = low1;
        x3 = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    low01 = _mm256_unpacklo_epi32(x0, x1);
    high01 = _mm256_unpackhi_epi32(x0, x1);
    low23 = _mm256_unpacklo_epi32(x2, x3);
    high23 = _mm256_unpackhi_epi32(x2, x3);
    out[0] = _mm256_unpacklo_epi64(low01, low23);
    out[1] = _mm256_unpackhi_epi64(low01, low23);
    out[2] = _mm256_unpacklo_epi64(high01, high23);
    out[3] = _mm256_unpackhi_epi64(high01, high23);
    memcpy(words, out, sizeof out);
}

static inline void store_rounded(uint16_t *p, __m256 value, const uint16_t *random, int64_t left)
{
    const __m256 sign = _mm256_set1_ps(-0.0f), infinity = _mm256_set1_ps(__builtin_inff());
    __m256i bits = _mm256_castps_si256(value);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    __m256i finite =
        _mm256_castps_si256(_mm256_cmp_ps(_mm256_andnot_ps(sign, value), infinity, _CMP_LT_OQ));
    __m256i u = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)random));
    __m256i upper;
    __m128i packed;

    bits = _mm256_add_epi32(bits, _mm256_and_si256(finite, u));
    bits = _mm256_or_si256(bits, _mm256_and_si256(nan, _mm256_set1_epi32(0x400000)));
    upper = _mm256_srli_epi32(bits, 16);
    packed =
        _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0x08));
    if (left >= 8)
        _mm_storeu_si128((void *)p, packed);
    else
        memcpy(p, &packed, (size_t)left * sizeof *p);
}

#endif
