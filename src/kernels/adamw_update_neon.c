/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/adamw_update_simd.h"

bool pkm_adamw_update_neon(float *restrict p, float *restrict m, float *restrict v,
                           const float *restrict grad, int64_t count,
                           const pkm_adamw_factors *factors)
{
    return adamw_update_all(p, m, v, grad, count, factors);
}
