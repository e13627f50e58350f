/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/adamw_update.h"

#include <math.h>

bool pkm_adamw_update_ref(float *restrict p, float *restrict m, float *restrict v,
                          const float *restrict grad, int64_t count,
                          const pkm_adamw_factors *factors)
{
    bool finite = true;

    for (int64_t i = 0; i < count; i++) {
        float g = factors->grad_scale * grad[i];

        m[i] = factors->beta1 * m[i] + factors->one_minus_beta1 * g;
        v[i] = factors->beta2 * v[i] + factors->one_minus_beta2 * g * g;
        p[i] = p[i] * factors->keep -
               factors->rate * m[i] / (sqrtf(v[i]) * factors->root_scale + factors->epsilon);
        finite = finite && isfinite(p[i]) && isfinite(v[i]);
    }
    return finite;
}
