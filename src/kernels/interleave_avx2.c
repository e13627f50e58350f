/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/interleave.h"

void pkm_interleave_avx2(uint16_t *restrict out, const uint16_t *even, const uint16_t *odd,
                         int64_t count)
{
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m128i a = _mm_loadu_si128((const void *)(even + i));
        __m128i b = _mm_loadu_si128((const void *)(odd + i));

        _mm_storeu_si128((void *)(out + 2 * i), _mm_unpacklo_epi16(a, b));
        _mm_storeu_si128((void *)(out + 2 * i + 8), _mm_unpackhi_epi16(a, b));
    }
    pkm_interleave_ref(out + 2 * i, even + i, odd + i, count - i);
}
