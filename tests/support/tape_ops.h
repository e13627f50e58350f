/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of the tape's tests. Each leaves a copy of its output in a saved tensor, and its
 * backward fails if a value that it may read has been overwritten.
 */
#ifndef PKM_TESTS_TAPE_OPS_H
#define PKM_TESTS_TAPE_OPS_H

#include "graph/tape.h"

enum { TAPE_WIDTH = 3 };

/* out = 1 + the sum of the inputs; each input gets the gradient of out, each parameter adds 1. */
extern const pkm_op sum_op;
extern const pkm_op residual_op;     /* the same with passes_grad */
extern const pkm_op forward_only_op; /* the same without backward */
extern const pkm_op total_op;        /* a loss: the sums of rows of TAPE_WIDTH */

#endif
