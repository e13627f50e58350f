/* SPDX-License-Identifier: Apache-2.0 */
/* The softmax family over vectors; include after a vec_<isa>.h, once per variant. */
#include <math.h>

#include "kernels/exp_simd.h"
#include "kernels/softmax.h"

static inline float row_max_all(const float *x, int64_t count)
{
    vec top = vec_set(-INFINITY);

    for (int64_t i = 0; i < count; i += VEC)
        top = vec_max(vec_load_or(x + i, count - i, vec_set(-INFINITY)), top);
    return vec_top(top);
}

static inline float exp_shift_all(float *out, const float *x, float factor, float shift,
                                  int64_t count)
{
    vec sum = vec_set(0);

    for (int64_t i = 0; i < count; i += VEC) {
        /* Lanes beyond the row are far below the limit: they are 0 and add nothing. */
        vec v = vec_fma(vec_load_or(x + i, count - i, vec_set(-INFINITY)), vec_set(factor),
                        vec_set(-shift));
        vec power = vec_unless_less(v, vec_set(-87.0f), vec_exp(v));

        sum = vec_add(sum, power);
        vec_store(out + i, power, count - i);
    }
    return vec_sum(sum);
}
