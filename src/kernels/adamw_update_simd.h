/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW over vectors; include after a vec_<isa>.h. */
#include "kernels/adamw_update.h"

static inline bool adamw_update_all(float *restrict p, float *restrict m, float *restrict v,
                                    const float *restrict grad, int64_t count,
                                    const pkm_adamw_factors *factors)
{
    const vec scale = vec_set(factors->grad_scale), keep = vec_set(factors->keep);
    const vec rate = vec_set(factors->rate), root_scale = vec_set(factors->root_scale);
    const vec beta1 = vec_set(factors->beta1), rest1 = vec_set(factors->one_minus_beta1);
    const vec beta2 = vec_set(factors->beta2), rest2 = vec_set(factors->one_minus_beta2);
    const vec epsilon = vec_set(factors->epsilon), zero = vec_set(0);
    vec finite = zero; /* NaN in a lane that met what is not */

    for (int64_t i = 0; i < count; i += VEC) {
        int64_t left = count - i;
        vec g = vec_mul(scale, vec_load(grad + i, left));
        vec m1 = vec_add(vec_mul(beta1, vec_load(m + i, left)), vec_mul(rest1, g));
        vec v1 = vec_add(vec_mul(beta2, vec_load(v + i, left)), vec_mul(vec_mul(rest2, g), g));
        vec below = vec_add(vec_mul(vec_sqrt(v1), root_scale), epsilon);
        vec change = vec_div(vec_mul(rate, m1), below);
        vec p1 = vec_sub(vec_mul(vec_load(p + i, left), keep), change);

        vec_store(m + i, m1, left);
        vec_store(v + i, v1, left);
        vec_store(p + i, p1, left);
        finite = vec_fma(p1, zero, vec_fma(v1, zero, finite));
    }
    return vec_sum(finite) == 0;
}
