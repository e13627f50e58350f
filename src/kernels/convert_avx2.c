/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "base/dtype.h"
#include "kernels/convert.h"

void pkm_f32_to_bf16_avx2(uint16_t *restrict out, const float *restrict in, int64_t count)
{
    const __m256i one = _mm256_set1_epi32(1), half = _mm256_set1_epi32(0x7fff);
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256 value = _mm256_loadu_ps(in + i);
        __m256i bits = _mm256_castps_si256(value);
        __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
        __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, half));
        __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
        __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
        __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0x08);

        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm256_castsi256_si128(packed));
    }
    for (; i < count; i++)
        out[i] = pkm_f32_to_bf16(in[i]);
}

void pkm_bf16_to_f32_avx2(float *restrict out, const uint16_t *restrict in, int64_t count)
{
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m128i half = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);

        _mm256_storeu_ps(out + i, _mm256_castsi256_ps(wide));
    }
    for (; i < count; i++)
        out[i] = pkm_bf16_to_f32(in[i]);
}
