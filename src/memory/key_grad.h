/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients of the half scores with respect to queries and keys. For head h and half f, with
 * slot id = i n + j and its sub-key c = i (f = 0) or j (f = 1):
 *
 *   dq[r, h, f] = sum of dscore * keys[h, f, c]       over the topk slots of row r
 *   dkeys[h, f, c] = sum of dscore * q[r, h, f]       over the rows r, in order
 *
 * The topk slots of a row share few sub-keys (about 11 of 32): scores are first summed per distinct
 * sub-key. One (head, half) of 1024 rows is one block of work; the key gradients of blocks are
 * summed in order.
 */
#ifndef PKM_MEMORY_KEY_GRAD_H
#define PKM_MEMORY_KEY_GRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pkm_key_grad {
    int64_t n_rows, heads, n_keys, key_dim, topk;
    const int32_t *ids;    /* [n_rows, heads, topk] */
    const float *dscores;  /* [n_rows, heads, topk] */
    const float *q, *keys; /* [n_rows, heads, key_dim]; [heads, 2, n_keys, key_dim / 2] */
    float *dq, *dkeys;     /* out, shapes of q and keys */
    bool accumulate;       /* dkeys +=, else = */
} pkm_key_grad;

/* Bytes of scratch with the threads in use now. */
size_t pkm_key_grad_workspace(const pkm_key_grad *grad);
void pkm_key_grad_run(const pkm_key_grad *grad, void *workspace);

#endif
