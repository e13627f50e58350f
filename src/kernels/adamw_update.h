/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AdamW step over `count` elements, any alignment, count >= 0, no overlap:
 *
 *   g = grad_scale * grad;  m = beta1 m + (1 - beta1) g;  v = beta2 v + ((1 - beta2) g) g
 *   p = p * keep - rate * m / (sqrt(v) * root_scale + epsilon)
 *
 * with keep = 1 - lr * decay, rate = lr / (1 - beta1^t), root_scale = 1 / sqrt(1 - beta2^t).
 * Every operation is rounded by itself, so bits are the same in every variant; NaN passes through.
 *
 * Returns false if a p or v it wrote is not finite; an m that is not makes p so.
 */
#ifndef PKM_KERNELS_ADAMW_UPDATE_H
#define PKM_KERNELS_ADAMW_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pkm_adamw_factors {
    float grad_scale, keep, rate, root_scale, epsilon;
    float beta1, one_minus_beta1, beta2, one_minus_beta2;
} pkm_adamw_factors;

typedef bool pkm_adamw_update_fn(float *restrict p, float *restrict m, float *restrict v,
                                 const float *restrict grad, int64_t count,
                                 const pkm_adamw_factors *factors);

pkm_adamw_update_fn pkm_adamw_update_ref, pkm_adamw_update_avx2, pkm_adamw_update_avx512;
pkm_adamw_update_fn pkm_adamw_update_neon;

#endif
