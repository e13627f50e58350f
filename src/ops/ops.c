/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of operations. A new operation:
 *   1. src/ops/<name>.c: shape rule, forward, the derivation above backward, cost, test shapes;
 *      intrinsics go into a kernel family (kernels/kernels.h), not here
 *   2. ops.h: its extern and attribute struct, with its equation
 *   3. a row below, which also puts it into the gradient tests, the profile and the printed lists
 *   4. tests/support/twins*.c: its double-precision twin; test_ops fails until it has one
 */
#include "ops/ops.h"

static const pkm_op *const table[] = {
    &pkm_op_embed, &pkm_op_layer_norm,    &pkm_op_linear,        &pkm_op_attention,
    &pkm_op_add,   &pkm_op_cross_entropy, &pkm_op_memory_lookup,
};

const pkm_op *const *pkm_ops_table(int *n_ops)
{
    *n_ops = (int)(sizeof table / sizeof table[0]);
    return table;
}
