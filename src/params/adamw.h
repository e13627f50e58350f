/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AdamW over the dense entries of a parameter table (Loshchilov and Hutter 2019, Algorithm 2, as in
 * torch.optim.AdamW): p -= lr * decay * p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
 */
#ifndef PKM_PARAMS_ADAMW_H
#define PKM_PARAMS_ADAMW_H

#include "params/params.h"

typedef struct pkm_adamw_config {
    float beta1, beta2, epsilon, weight_decay;
} pkm_adamw_config;

/*
 * Global norm of all dense gradients, sqrt(sum g^2), summed in double over fixed blocks.
 * PKM_ERR_NUMERIC names the first tensor whose gradient holds a NaN or an infinity.
 */
pkm_status pkm_params_grad_norm(const pkm_params *params, double *out);

/* Scaled gradients stay below this, so that their squares, and sums of a few, are floats. */
#define PKM_GRADIENT_LIMIT 1e18

/* *scale = the factor that brings a norm down to `limit` (0: no limit); 1 where it is low enough.
 * PKM_ERR_NUMERIC beyond PKM_GRADIENT_LIMIT: `what` has exploded. */
pkm_status pkm_clip_scale(float *scale, double norm, double limit, const char *what);

typedef struct pkm_adamw_rates {
    float lr, key_lr; /* key_lr: of the entries that are for the search */
} pkm_adamw_rates;

/* One step, t counted from 1; gradients are multiplied by grad_scale (clipping) first.
 * PKM_ERR_NUMERIC names the first tensor that is not finite afterwards: with gradients and a norm
 * that were let pass, because it or a moment of it was not finite before. */
pkm_status pkm_adamw_step(pkm_params *params, const pkm_adamw_config *config, int64_t t,
                          pkm_adamw_rates rates, float grad_scale);

#endif
