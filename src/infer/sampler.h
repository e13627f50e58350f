/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next token from logits: the most likely one at temperature 0 (of equals the lowest id), else
 * a draw from softmax(logits / temperature), cut to the top_k likeliest and then to the fewest of
 * those that hold top_p of their mass. The draw of token i is a function of (seed, i).
 */
#ifndef PKM_INFER_SAMPLER_H
#define PKM_INFER_SAMPLER_H

#include <stdint.h>

#include "base/error.h"
#include "pkm/model.h"

typedef struct pkm_candidate {
    float logit;
    int32_t id;
} pkm_candidate;

typedef struct pkm_sampler {
    double temperature, top_p;
    int64_t top_k, n_ids;
    uint64_t seed;
    pkm_candidate *candidates; /* [n_ids] scratch */
} pkm_sampler;

/* Checks the settings; n_ids: ids 0 .. n_ids - 1 may be chosen. */
pkm_status pkm_sampler_init(pkm_sampler *out, const pkm_generate_config *config, int64_t n_ids);
void pkm_sampler_release(pkm_sampler *sampler);

/* *id = token number `index` of the text. PKM_ERR_NUMERIC if a logit is a NaN or +infinity. */
pkm_status pkm_sampler_pick(pkm_sampler *sampler, int32_t *id, const float *logits, uint64_t index);

#endif
