/* SPDX-License-Identifier: Apache-2.0 */
/* The norm family over vectors; include after a vec_<isa>.h, once per variant. */
#include <math.h>

#include "kernels/norm.h"

static inline pkm_norm_stats moments_all(const float *x, int64_t count, float epsilon)
{
    vec sum = vec_set(0), squares = vec_set(0);
    float mean;

    for (int64_t i = 0; i < count; i += VEC)
        sum = vec_add(sum, vec_load(x + i, count - i));
    mean = vec_sum(sum) / (float)count;
    for (int64_t i = 0; i < count; i += VEC) {
        /* Lanes beyond the row hold the mean: they add nothing. */
        vec centred = vec_sub(vec_load_or(x + i, count - i, vec_set(mean)), vec_set(mean));

        squares = vec_fma(centred, centred, squares);
    }
    return (pkm_norm_stats){
        .mean = mean,
        .rstd = 1.0f / sqrtf(vec_sum(squares) / (float)count + epsilon),
    };
}

static inline vec normalised(const float *x, pkm_norm_stats stats, int64_t left)
{
    return vec_mul(vec_sub(vec_load(x, left), vec_set(stats.mean)), vec_set(stats.rstd));
}

static inline void norm_forward_all(float *y, const float *x, const float *gamma, const float *beta,
                                    pkm_norm_stats stats, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC)
        vec_store(y + i,
                  vec_fma(normalised(x + i, stats, count - i), vec_load(gamma + i, count - i),
                          vec_load(beta + i, count - i)),
                  count - i);
}

static inline void norm_backward_all(float *dx, float *dgamma, float *dbeta, const float *dy,
                                     const float *x, const float *gamma, pkm_norm_stats stats,
                                     int64_t count, bool add)
{
    vec sum_g = vec_set(0), sum_gh = vec_set(0), mean_g, mean_gh;

    for (int64_t i = 0; i < count; i += VEC) {
        int64_t left = count - i;
        vec h = normalised(x + i, stats, left), d = vec_load(dy + i, left);
        vec g = vec_mul(d, vec_load(gamma + i, left));

        sum_g = vec_add(sum_g, g);
        sum_gh = vec_fma(g, h, sum_gh);
        vec_store(dgamma + i, vec_fma(d, h, vec_load(dgamma + i, left)), left);
        vec_store(dbeta + i, vec_add(d, vec_load(dbeta + i, left)), left);
    }
    mean_g = vec_set(vec_sum(sum_g) / (float)count);
    mean_gh = vec_set(vec_sum(sum_gh) / (float)count);
    for (int64_t i = 0; i < count; i += VEC) {
        int64_t left = count - i;
        vec h = normalised(x + i, stats, left);
        vec g = vec_mul(vec_load(dy + i, left), vec_load(gamma + i, left));
        vec rest = vec_sub(vec_sub(g, mean_g), vec_mul(h, mean_gh));
        vec old = add ? vec_load(dx + i, left) : vec_set(0);

        vec_store(dx + i, vec_fma(vec_set(stats.rstd), rest, old), left);
    }
}
