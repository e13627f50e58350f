/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations: one extern and, where it has constants, one attribute struct per file of this
 * folder. "compute" below is the precision of products, f32 or bf16, taken from the input.
 */
#ifndef PKM_OPS_OPS_H
#define PKM_OPS_OPS_H

#include "graph/op.h"

/* out [rows, D] f32 = dropout(wte[id] + wpe[position]); in: ids, position, both [rows] i32;
 * parameters wte [V, D], wpe [P, D]. */
extern const pkm_op pkm_op_embed;
typedef struct pkm_embed_attr {
    float dropout;
} pkm_embed_attr;

/* out [rows, D] = gamma (x - mean) / sqrt(variance + epsilon) + beta; in: x f32; parameters gamma
 * [D], beta [D]. */
extern const pkm_op pkm_op_layer_norm;
typedef struct pkm_layer_norm_attr {
    float epsilon;
    pkm_dtype out_dtype; /* f32 or bf16 */
} pkm_layer_norm_attr;

/* out [rows, n_out] = gelu(x W + bias) if asked, else residual + (x W + bias); gelu in its tanh
 * form, of the sum in the dtype of out; in: x [rows, n_in] compute, and optionally the residual
 * [rows, n_out] f32 (its gradient is that of out); parameters weight in `layout`, and optionally
 * bias [n_out]. */
extern const pkm_op pkm_op_linear;
typedef struct pkm_linear_attr {
    pkm_weight_layout layout;
    pkm_dtype out_dtype; /* f32 or the compute dtype; f32 with a residual */
    bool gelu;
} pkm_linear_attr;

/* out [rows, D] compute = causal softmax(q k^T / sqrt(D / heads)) v; attributes and the KV cache in
 * ops/attention.h. */
extern const pkm_op pkm_op_attention;

/* out f32 = a + dropout(b); in: a f32 (its gradient is that of out), b f32 or bf16. */
extern const pkm_op pkm_op_add;
typedef struct pkm_add_attr {
    float dropout;
} pkm_add_attr;

/* out [rows] f32 = -ln softmax(x W^T)[target]; in: x [rows, D] compute, targets [rows] i32 (-1:
 * none, loss 0); parameter W [V, D]. */
extern const pkm_op pkm_op_cross_entropy;

/* out [rows, D] compute = product-key memory (memory/layer.h); in: x [rows, D] compute, and
 * optionally a mask [rows] u8 (1: a real row, 0: padding). Its parameters come from the layer. */
extern const pkm_op pkm_op_memory_lookup;
typedef struct pkm_memory_lookup_attr {
    struct pkm_memory_layer *layer; /* borrowed */
} pkm_memory_lookup_attr;

/* Every operation, in the order above. */
const pkm_op *const *pkm_ops_table(int *n_ops);

#endif
