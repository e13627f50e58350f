/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: weights of the slots a head kept, from their scores (best first), and its backward.
 *
 *   softmax  w = exp(s - s_0) / sum;   ds = w (dw - sum w dw)
 *   relu     w = max(s, 0);            ds = dw where w > 0, else 0
 *   raw      w = s;                    ds = dw
 */
#ifndef PKM_MEMORY_GATE_H
#define PKM_MEMORY_GATE_H

#include <stdint.h>

#include "pkm/memory.h"

/* scores [n_rows, topk] become weights; a row here is one head of one token. */
void pkm_gate_forward(pkm_gate gate, float *scores, int64_t n_rows, int64_t topk);

/* dweights [n_rows, topk] becomes dscores. */
void pkm_gate_backward(pkm_gate gate, float *dweights, const float *weights, int64_t n_rows,
                       int64_t topk);

#endif
