/* SPDX-License-Identifier: Apache-2.0 */
/* What shape rules check; the messages name the tensor or parameter, the expected and the found. */
#ifndef PKM_OPS_RULES_H
#define PKM_OPS_RULES_H

#include "graph/op.h"

/* The node has n_in inputs, and between min_param and max_param parameters. */
pkm_status pkm_rule_counts(const pkm_node *node, int n_in, int min_param, int max_param);

/* Input i is [rows, width] of this dtype. */
pkm_status pkm_rule_input(const pkm_node *node, int i, pkm_dtype dtype, int64_t width);

/* Input i holds f32 or bf16. */
pkm_status pkm_rule_float(const pkm_node *node, int i);

/* Parameter i is [dim0], or [dim0, dim1] if dim1 > 0; a dim of -1 takes any size. */
pkm_status pkm_rule_param(const pkm_node *node, int i, int64_t dim0, int64_t dim1);

/* A dropout probability is in [0, 1). */
pkm_status pkm_rule_dropout(float probability);

/* Sets the output to [rows, width]; width 0: [rows]. */
void pkm_rule_output(pkm_node *node, pkm_dtype dtype, int64_t width);

/* The index in `values` [n_rows] is in [low, high), or the message names the row and `what`. */
pkm_status pkm_rule_indices(const pkm_tensor *values, int64_t n_rows, int64_t low, int64_t high);

#endif
