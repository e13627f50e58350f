/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients of the scores with respect to queries and keys. For head h and half f, with slot id =
 * i n + j and its sub-key c = i (f = 0) or j (f = 1):
 *
 *   dq[r, h, f] = sum of dscore * keys[h, f, c]       over the topk slots of row r
 *   dkeys[h, f, c] = sum of dscore * q[r, h, f]       over the rows r, in order
 *
 * The topk slots of a row share few sub-keys (about 11 of 32): scores are first summed per distinct
 * sub-key. One (head, half) of 1024 rows is one block of work; the key gradients of blocks are
 * summed in order.
 *
 * Flat keys have one part, the whole query, and c is the slot (flat_key_grad.c): few keys of many
 * are read, each by few rows, so that its readers are found by sorting.
 */
#ifndef PKM_MEMORY_KEY_GRAD_H
#define PKM_MEMORY_KEY_GRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkm/memory.h"

typedef struct pkm_key_grad {
    pkm_key_kind key_kind;
    int64_t n_rows, heads, n_keys, key_dim, topk;
    const int32_t *ids;    /* [n_rows, heads, topk] */
    const float *dscores;  /* [n_rows, heads, topk] */
    const float *q, *keys; /* [n_rows, heads, key_dim]; the layer's tensor */
    float *dq, *dkeys;     /* out, shapes of q and keys */
    bool accumulate;       /* dkeys +=, else = */
} pkm_key_grad;

/* Bytes of scratch with the threads in use now. */
size_t pkm_key_grad_workspace(const pkm_key_grad *grad);
void pkm_key_grad_run(const pkm_key_grad *grad, void *workspace);

/* The same of flat keys, whose kind the two above choose them for. */
size_t pkm_flat_key_grad_workspace(const pkm_key_grad *grad);
void pkm_flat_key_grad_run(const pkm_key_grad *grad, void *workspace);

#endif
