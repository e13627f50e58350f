/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head and its loss over rows x [n_rows, D] and their targets, in blocks that stay in cache, so
 * that neither the logits nor their gradient ever exist for all rows:
 *
 *   logits = x W^T;   loss = ln sum(exp(logits)) - logits[target]
 *   dx = seed (p - onehot(target)) W;   dW = (p - onehot(target))^T (seed x),   p = softmax(logits)
 *
 * A row without target (-1) has loss 0 and no gradient.
 */
#ifndef PKM_OPS_HEAD_LOSS_H
#define PKM_OPS_HEAD_LOSS_H

#include "ops/head_weight.h"

typedef struct pkm_head_loss {
    pkm_head_weight head;
    const float *weight; /* W in fp32, as in training */
    const void *x;       /* [n_rows, D] */
    pkm_dtype dtype;     /* of x and dx */
    const int32_t *targets;
    int64_t n_rows;
    float *loss;       /* [n_rows]; NULL: not wanted */
    const float *seed; /* d total / d loss of each row; NULL: no gradients */
    void *dx;          /* [n_rows, D], written or added to; NULL: not wanted */
    float *dweight;    /* [V, D], written or added to; NULL: not wanted */
    bool adds_dx, adds_dweight;
    void *workspace; /* of pkm_head_loss_workspace bytes */
} pkm_head_loss;

void pkm_head_loss_run(const pkm_head_loss *call);

/* For up to max_rows rows; `gradients`: there may be a seed. */
size_t pkm_head_loss_workspace(const pkm_head_weight *head, int64_t max_rows, bool gradients);

#endif
