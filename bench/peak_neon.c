/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#define multiply_add vec_fma
#include "peak_loop.h"

float pkm_peak_f32_neon(int64_t steps)
{
    return peak_loop(steps);
}
