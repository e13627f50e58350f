/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tokens a training step sees. The training side is cut into windows of seq_len + 1 tokens,
 * one every seq_len tokens; epoch e visits them in a pseudo-random permutation keyed by (seed,
 * order, e). Which window comes is a function of the sequence's index alone: there is no other
 * state to save.
 */
#ifndef PKM_TEXT_BATCHES_H
#define PKM_TEXT_BATCHES_H

#include <stdint.h>

#include "base/error.h"
#include "pkm/data.h"

typedef struct pkm_batches {
    const pkm_data *data; /* borrowed */
    int64_t seq_len;      /* T */
    int64_t n_windows;    /* per epoch */
    uint64_t seed;
    uint32_t order;  /* 0, or another that training was to go on in */
    int32_t *window; /* [T + 1], scratch */
} pkm_batches;

/* PKM_ERR_ARG if the data has no whole window. */
pkm_status pkm_batches_init(pkm_batches *out, const pkm_data *data, int64_t seq_len, uint64_t seed);
void pkm_batches_release(pkm_batches *batches);

/* ids, targets [count, T]: sequences first .. first + count, counted over the whole training;
 * targets are the ids one further. */
pkm_status pkm_batches_fill(const pkm_batches *batches, int32_t *ids, int32_t *targets,
                            int64_t first, int64_t count);

#endif
