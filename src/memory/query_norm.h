/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The norm of queries [n_rows, width], width = H * d_k, eps 1e-5, affine weight and bias [width]:
 *
 *   batch  each feature over the rows: with the batch's mean and (biased) variance, or with given
 *          ones (running statistics)
 *   layer  each half of each head (`group` = d_k/2 features) of a row over its features
 *   none   q = raw
 *
 * Column sums run over the rows in order, in double; columns in fixed blocks over the threads.
 */
#ifndef PKM_MEMORY_QUERY_NORM_H
#define PKM_MEMORY_QUERY_NORM_H

#include <stdbool.h>
#include <stdint.h>

#include "pkm/memory.h"

typedef struct pkm_norm {
    pkm_query_norm kind;
    int64_t width, group;
    const float *weight, *bias;  /* [width]; NULL for none */
    const float *mean, *inverse; /* [width] batch: mean, 1 / sqrt(variance + eps) */
} pkm_norm;

/*
 * mean, inverse [width] of the batch raw [n_rows, width]; n_rows > 1. Moves the running statistics:
 * running = 0.9 running + 0.1 batch, with the unbiased variance.
 */
void pkm_norm_batch_statistics(float *mean, float *inverse, float *running_mean, float *running_var,
                               const float *raw, int64_t n_rows, int64_t width);
/* mean, inverse [width] from running statistics. */
void pkm_norm_running_statistics(float *mean, float *inverse, const float *running_mean,
                                 const float *running_var, int64_t width);

/* q [n_rows, width] = norm(raw); may be in place. */
void pkm_norm_forward(const pkm_norm *norm, float *q, const float *raw, int64_t n_rows);

typedef struct pkm_norm_grad {
    float *weight, *bias; /* [width] = or += their gradients; unused for none */
    bool accumulate;
    bool batch; /* the mean and variance were this batch's: they depend on raw */
} pkm_norm_grad;

/* dq [n_rows, width] becomes the gradient of raw. scratch [n_rows, width]. */
void pkm_norm_backward(const pkm_norm *norm, pkm_norm_grad *grad, float *dq, const float *raw,
                       int64_t n_rows, float *scratch);

#endif
