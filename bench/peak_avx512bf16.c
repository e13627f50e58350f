/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

static inline vec multiply_add(vec a, vec b, vec sum)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

#include "peak_loop.h"

float pkm_peak_bf16_avx512bf16(int64_t steps)
{
    return peak_loop(steps);
}
