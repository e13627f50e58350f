/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/interleave.h"

static __m512i widen(const uint16_t *from)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from));
}

void pkm_interleave_avx512(uint16_t *restrict out, const uint16_t *even, const uint16_t *odd,
                           int64_t count)
{
    int64_t i = 0;

    for (; i + 16 <= count; i += 16)
        _mm512_storeu_si512(
            out + 2 * i, _mm512_or_si512(widen(even + i), _mm512_slli_epi32(widen(odd + i), 16)));
    pkm_interleave_ref(out + 2 * i, even + i, odd + i, count - i);
}
