/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#define multiply_add vec_fma
#include "peak_loop.h"

float pkm_peak_f32_avx2(int64_t steps)
{
    return peak_loop(steps);
}
