/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layer normalisation of one row of `count` >= 1 floats (Ba et al. 2016); any alignment.
 *
 *   moments   mean = sum x / count;  rstd = 1 / sqrt(sum (x - mean)^2 / count + epsilon)
 *   forward   y = h * gamma + beta,  h = (x - mean) * rstd
 *   backward  dgamma += dy * h;  dbeta += dy;  with g = dy * gamma
 *             dx = (or += if add)  rstd * (g - mean(g) - h * mean(g * h))
 *
 * y may be x, dx may be dy. A NaN or infinity in a row makes its outputs NaN.
 */
#ifndef PKM_KERNELS_NORM_H
#define PKM_KERNELS_NORM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pkm_norm_stats {
    float mean, rstd;
} pkm_norm_stats;

typedef pkm_norm_stats pkm_norm_moments_fn(const float *x, int64_t count, float epsilon);
typedef void pkm_norm_forward_fn(float *y, const float *x, const float *gamma, const float *beta,
                                 pkm_norm_stats stats, int64_t count);
typedef void pkm_norm_backward_fn(float *dx, float *dgamma, float *dbeta, const float *dy,
                                  const float *x, const float *gamma, pkm_norm_stats stats,
                                  int64_t count, bool add);

pkm_norm_moments_fn pkm_norm_moments_ref, pkm_norm_moments_avx2, pkm_norm_moments_avx512;
pkm_norm_moments_fn pkm_norm_moments_neon;
pkm_norm_forward_fn pkm_norm_forward_ref, pkm_norm_forward_avx2, pkm_norm_forward_avx512;
pkm_norm_forward_fn pkm_norm_forward_neon;
pkm_norm_backward_fn pkm_norm_backward_ref, pkm_norm_backward_avx2, pkm_norm_backward_avx512;
pkm_norm_backward_fn pkm_norm_backward_neon;

#endif
