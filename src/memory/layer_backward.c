/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backward of the memory layer. With g = dL/dr the upstream row of a token (r: weighted rows before
 * the projection), a_i = g . V[i] the gate dots, I the slots head h kept and (c1, c2) a slot's
 * sub-keys (Lample et al. 2019, derivative by hand):
 *
 *   dV[i] += w_i g                  recorded in the store, applied by its step
 *   dw_i = a_i;  ds = gate'(dw)     softmax: ds_i = w_i (a_i - sum_j w_j a_j)
 *   dq1 = sum ds_i c1_i;  dc1_i += ds_i q1;  the same for half 2; flat keys: for the whole query
 *   dx = norm'(dq) W_q (+ the output gate's part)
 */
#include <string.h>

#include "base/dtype.h"
#include "memory/elementwise.h"
#include "memory/gate.h"
#include "memory/layer_parts.h"

/* One call's arguments on the real rows, packed. */
typedef struct backward_rows {
    const void *x, *dy;
    void *dx; /* NULL: not wanted */
    int64_t n_rows;
    bool accumulate_dx, accumulate_params;
    bool batch; /* forward used the batch's statistics */
} backward_rows;

/* The gradients of one of the layer's maps from its input and the gradient of its output. */
static pkm_status backward_map(pkm_param *weight, pkm_param *bias, const void *in, const void *dy,
                               const backward_rows *rows)
{
    pkm_dense_grads grads = {weight->grad, bias->grad, rows->accumulate_params,
                             rows->accumulate_params};

    return pkm_dense_backward_weight(weight->dense, &grads, in, dy, rows->n_rows);
}

/* *upstream [n_rows, D_v] f32 = dL/dr, with the gradients of projection and output gate. */
static pkm_status backward_output(pkm_memory_layer *layer, backward_rows *rows,
                                  const layer_saved *saved, const layer_scratch *scratch,
                                  const float **upstream)
{
    int64_t n = rows->n_rows, count = n * layer->config.value_dim;
    const void *gated;

    *upstream = scratch->bag;
    if (layer->value_weight == NULL) {
        if (layer->compute == PKM_F32)
            *upstream = rows->dy;
        else
            pkm_convert(scratch->bag, PKM_F32, rows->dy, layer->compute, count);
        return PKM_OK;
    }
    gated = pkm_layer_gated(layer, saved, scratch->gated, n);
    PKM_TRY(backward_map(layer->value_weight, layer->value_bias, gated, rows->dy, rows));
    PKM_TRY(pkm_dense_backward_input(layer->value_weight->dense, scratch->bag, PKM_F32, rows->dy, n,
                                     false));
    if (layer->swilu_weight == NULL)
        return PKM_OK;
    pkm_swilu_backward(scratch->bag, scratch->gated, layer->compute, saved->bag, saved->swilu,
                       count);
    PKM_TRY(backward_map(layer->swilu_weight, layer->swilu_bias, rows->x, scratch->gated, rows));
    if (rows->dx == NULL)
        return PKM_OK;
    PKM_TRY(pkm_dense_backward_input(layer->swilu_weight->dense, rows->dx, layer->compute,
                                     scratch->gated, n, rows->accumulate_dx));
    rows->accumulate_dx = true;
    return PKM_OK;
}

/* dq [n_rows, width] = dL/d(x W_q + b) from the gate dots, with the gradients of keys and norm. */
static void backward_scores(pkm_memory_layer *layer, const backward_rows *rows,
                            const layer_saved *saved, const layer_scratch *scratch)
{
    const pkm_memory_config *c = &layer->config;
    pkm_norm norm = pkm_layer_norm(layer);
    pkm_norm_grad norm_grad = {.accumulate = rows->accumulate_params, .batch = rows->batch};
    pkm_key_grad keys = pkm_layer_key_grad(layer, rows->n_rows);

    keys.ids = saved->ids;
    keys.dscores = scratch->dweights;
    keys.q = saved->query;
    keys.keys = layer->keys->data;
    keys.dq = scratch->dq;
    keys.dkeys = layer->keys->grad;
    keys.accumulate = rows->accumulate_params;
    pkm_gate_backward(c->gate, scratch->dweights, saved->weights, rows->n_rows * c->heads, c->topk);
    if (norm.kind != PKM_NORM_NONE) {
        pkm_norm_forward(&norm, scratch->q, saved->query, rows->n_rows);
        keys.q = scratch->q;
        norm_grad.weight = layer->norm_weight->grad;
        norm_grad.bias = layer->norm_bias->grad;
    }
    pkm_key_grad_run(&keys, scratch->pool);
    pkm_norm_backward(&norm, &norm_grad, scratch->dq, saved->query, rows->n_rows, scratch->q);
}

static pkm_status backward_real_rows(pkm_memory_layer *layer, backward_rows *rows,
                                     const layer_saved *saved, const layer_scratch *scratch)
{
    const void *dq = scratch->dq;
    const float *upstream;

    PKM_TRY(backward_output(layer, rows, saved, scratch, &upstream));
    PKM_TRY(pkm_store_backward(layer->store, scratch->dweights, saved->ids, saved->weights,
                               upstream, rows->n_rows, layer->hits));
    pkm_key_reads_add(&layer->reads, saved->ids, saved->weights, rows->n_rows, layer->config.topk);
    backward_scores(layer, rows, saved, scratch);
    if (layer->compute != PKM_F32) {
        pkm_convert(scratch->dq_compute, layer->compute, dq, PKM_F32, rows->n_rows * layer->width);
        dq = scratch->dq_compute;
    }
    PKM_TRY(backward_map(layer->query_weight, layer->query_bias, rows->x, dq, rows));
    if (rows->dx == NULL)
        return PKM_OK;
    return pkm_dense_backward_input(layer->query_weight->dense, rows->dx, layer->compute, dq,
                                    rows->n_rows, rows->accumulate_dx);
}

/* No real row: gradients that are written, not added to, are zero. */
static void write_zeros(pkm_memory_layer *layer, const pkm_memory_grads *grads, size_t dx_bytes)
{
    pkm_param *params[PKM_MEMORY_PARAMS];
    int n_params = pkm_memory_layer_params(layer, params);

    if (grads->dx != NULL && !grads->accumulate_dx)
        memset(grads->dx, 0, dx_bytes);
    for (int i = 0; i < n_params && !grads->accumulate_params; i++)
        memset(params[i]->grad, 0, (size_t)params[i]->count * sizeof(float));
}

pkm_status pkm_memory_layer_backward(pkm_memory_layer *layer, const pkm_memory_grads *grads,
                                     const void *dy, const void *x, const pkm_memory_call *call)
{
    size_t row_bytes = (size_t)layer->config.dim * pkm_dtype_bytes(layer->compute);
    layer_scratch scratch = pkm_layer_scratch(layer, call);
    layer_saved saved = pkm_layer_saved(layer, call->saved);
    int64_t n_live = pkm_layer_live(scratch.live, call);
    backward_rows rows = {.x = x,
                          .dy = dy,
                          .dx = grads->dx,
                          .n_rows = n_live,
                          .accumulate_dx = grads->accumulate_dx,
                          .accumulate_params = grads->accumulate_params,
                          .batch = call->train && n_live > 1};

    pkm_key_reads_begin(&layer->reads, !grads->accumulate_params);
    if (n_live == 0) {
        write_zeros(layer, grads, (size_t)call->n_rows * row_bytes);
        return PKM_OK;
    }
    if (n_live == call->n_rows)
        return backward_real_rows(layer, &rows, &saved, &scratch);
    pkm_pack_rows(scratch.x, x, scratch.live, n_live, row_bytes);
    pkm_pack_rows(scratch.y, dy, scratch.live, n_live, row_bytes);
    rows.x = scratch.x;
    rows.dy = scratch.y;
    if (grads->dx != NULL) {
        rows.dx = scratch.dx;
        if (grads->accumulate_dx)
            pkm_pack_rows(scratch.dx, grads->dx, scratch.live, n_live, row_bytes);
        else
            memset(grads->dx, 0, (size_t)call->n_rows * row_bytes);
    }
    PKM_TRY(backward_real_rows(layer, &rows, &saved, &scratch));
    if (grads->dx != NULL)
        pkm_unpack_rows(grads->dx, scratch.dx, scratch.live, n_live, row_bytes);
    return PKM_OK;
}
