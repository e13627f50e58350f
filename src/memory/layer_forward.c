/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/dtype.h"
#include "memory/elementwise.h"
#include "memory/gate.h"
#include "memory/layer_parts.h"
#include "memory/row_pass.h"

/* The statistics the batch norm uses: the batch's, or where there is none the running ones. */
static void set_statistics(pkm_memory_layer *layer, const float *query, int64_t n_rows, bool train)
{
    if (layer->config.query_norm != PKM_NORM_BATCH)
        return;
    if (train && n_rows > 1) {
        pkm_norm_batch_statistics(layer->mean, layer->inverse, layer->running_mean->data,
                                  layer->running_var->data, query, n_rows, layer->width);
        pkm_param_changed(layer->running_mean);
        pkm_param_changed(layer->running_var);
    } else {
        pkm_norm_running_statistics(layer->mean, layer->inverse, layer->running_mean->data,
                                    layer->running_var->data, layer->width);
    }
}

/* ids and weights of the slots each head reads, from x. */
static pkm_status look_up(pkm_memory_layer *layer, const layer_saved *saved,
                          const layer_scratch *scratch, const void *x, int64_t n_rows, bool train)
{
    const pkm_memory_config *config = &layer->config;
    pkm_norm norm = pkm_layer_norm(layer);
    const float *q = saved->query;

    PKM_TRY(pkm_dense_forward(layer->query_weight->dense, saved->query, PKM_F32, x,
                              &(pkm_dense_finish){.bias = layer->query_bias->data}, n_rows));
    set_statistics(layer, saved->query, n_rows, train);
    if (norm.kind != PKM_NORM_NONE) {
        pkm_norm_forward(&norm, scratch->q, saved->query, n_rows);
        q = scratch->q;
    }
    if (layer->searched != layer->keys->version) {
        pkm_search_pack(layer->search, layer->keys->data);
        layer->searched = layer->keys->version;
    }
    PKM_TRY(pkm_search_run(layer->search, saved->ids, saved->weights, q, n_rows, scratch->pool));
    pkm_gate_forward(config->gate, saved->weights, n_rows * config->heads, config->topk);
    if (layer->counting)
        pkm_usage_add(layer->usage, saved->ids, saved->weights, n_rows, config->topk);
    if (layer->observer != NULL)
        layer->observer(saved->ids, saved->weights, n_rows, layer->observer_user);
    return PKM_OK;
}

/* r [n_rows, D_v] = the weighted rows. */
static pkm_status read_rows(pkm_memory_layer *layer, float *r, const layer_saved *saved,
                            int64_t n_rows)
{
    pkm_bag bag = {.dtype = pkm_store_config_of(layer->store)->dtype,
                   .value_dim = layer->config.value_dim,
                   .weights = saved->weights,
                   .n_rows = n_rows,
                   .hits = layer->hits};
    const float *scales = pkm_store_scales(layer->store);

    PKM_TRY(
        pkm_store_prepare(layer->store, &bag.values, &bag.ids, saved->ids, n_rows * layer->hits));
    for (int64_t i = 0; scales != NULL && i < n_rows * layer->hits; i++)
        saved->weights[i] *= scales[saved->ids[i]]; /* never trained: nobody needs them unscaled */
    pkm_pass_bag(r, &bag);
    return PKM_OK;
}

static pkm_status forward_real_rows(pkm_memory_layer *layer, void *y, const void *x, int64_t n_rows,
                                    const layer_saved *saved, const layer_scratch *scratch,
                                    bool train)
{
    PKM_TRY(look_up(layer, saved, scratch, x, n_rows, train));
    if (layer->value_weight == NULL && layer->compute == PKM_F32)
        return read_rows(layer, y, saved, n_rows);
    if (layer->value_weight == NULL) {
        PKM_TRY(read_rows(layer, scratch->bag, saved, n_rows));
        pkm_convert(y, layer->compute, scratch->bag, PKM_F32, n_rows * layer->config.value_dim);
        return PKM_OK;
    }
    PKM_TRY(read_rows(layer, saved->bag, saved, n_rows));
    if (layer->swilu_weight != NULL)
        PKM_TRY(pkm_dense_forward(layer->swilu_weight->dense, saved->swilu, PKM_F32, x,
                                  &(pkm_dense_finish){.bias = layer->swilu_bias->data}, n_rows));
    return pkm_dense_forward(layer->value_weight->dense, y, layer->compute,
                             pkm_layer_gated(layer, saved, scratch->gated, n_rows),
                             &(pkm_dense_finish){.bias = layer->value_bias->data}, n_rows);
}

pkm_status pkm_memory_layer_forward(pkm_memory_layer *layer, void *y, const void *x,
                                    const pkm_memory_call *call)
{
    size_t row_bytes = (size_t)layer->config.dim * pkm_dtype_bytes(layer->compute);
    layer_scratch scratch = pkm_layer_scratch(layer, call);
    layer_saved saved = pkm_layer_saved(layer, call->saved);
    int64_t n_live = pkm_layer_live(scratch.live, call);

    if (n_live == call->n_rows)
        return n_live == 0 ? PKM_OK
                           : forward_real_rows(layer, y, x, n_live, &saved, &scratch, call->train);
    memset(y, 0, (size_t)call->n_rows * row_bytes);
    if (n_live == 0)
        return PKM_OK;
    pkm_pack_rows(scratch.x, x, scratch.live, n_live, row_bytes);
    PKM_TRY(forward_real_rows(layer, scratch.y, scratch.x, n_live, &saved, &scratch, call->train));
    pkm_unpack_rows(y, scratch.y, scratch.live, n_live, row_bytes);
    return PKM_OK;
}
