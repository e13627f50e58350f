/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/norm_simd.h"

pkm_norm_stats pkm_norm_moments_neon(const float *x, int64_t count, float epsilon)
{
    return moments_all(x, count, epsilon);
}

void pkm_norm_forward_neon(float *y, const float *x, const float *gamma, const float *beta,
                           pkm_norm_stats stats, int64_t count)
{
    norm_forward_all(y, x, gamma, beta, stats, count);
}

void pkm_norm_backward_neon(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                            const float *gamma, pkm_norm_stats stats, int64_t count, bool add)
{
    norm_backward_all(dx, dgamma, dbeta, dy, x, gamma, stats, count, add);
}
