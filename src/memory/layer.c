/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters, plan, sizes and usage of the memory layer. */
#include "memory/layer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/size.h"
#include "memory/elementwise.h"
#include "memory/layer_parts.h"
#include "memory/memory_config.h"
#include "memory/search.h"

static pkm_status add_param(pkm_memory_layer *layer, pkm_param **out, const char *prefix,
                            const char *name, pkm_param_spec spec)
{
    if (snprintf(spec.name, sizeof spec.name, "%s%s", prefix, name) >= (int)sizeof spec.name)
        return pkm_fail(PKM_ERR_ARG, "the parameter name '%s%s' is longer than %d", prefix, name,
                        PKM_PARAM_NAME - 1);
    return pkm_params_add(layer->params, out, &spec);
}

/* One that decides which slots are read. */
static pkm_status add_search_param(pkm_memory_layer *layer, pkm_param **out, const char *prefix,
                                   const char *name, pkm_param_spec spec)
{
    spec.search = true;
    return add_param(layer, out, prefix, name, spec);
}

static pkm_param_spec matrix(int64_t rows, int64_t columns, pkm_init_kind kind, double scale)
{
    return (pkm_param_spec){
        .n_dims = 2, .dims = {rows, columns}, .init = {kind, (float)scale}, .decay = true};
}

static pkm_param_spec vector(int64_t count, float value, pkm_param_role role)
{
    return (pkm_param_spec){
        .n_dims = 1, .dims = {count}, .init = {PKM_INIT_CONSTANT, value}, .role = role};
}

/*
 * Keys uniform in +-1/sqrt of their width (Lample et al. 2019), different in every layer because
 * the stream is the name; query Xavier uniform with bias 0; projections of variance 1 / fan-in.
 */
static pkm_status add_params(pkm_memory_layer *layer, const char *prefix)
{
    const pkm_memory_config *c = &layer->config;
    int64_t width = layer->width, key_width = pkm_memory_keys(c).width;
    pkm_param_spec keys = {.init = {PKM_INIT_UNIFORM, (float)(1 / sqrt((double)key_width))}};
    double xavier = sqrt(6 / (double)(c->dim + width));

    keys.n_dims = pkm_memory_key_dims(c, keys.dims);
    PKM_TRY(add_search_param(layer, &layer->query_weight, prefix, "query.weight",
                             matrix(width, c->dim, PKM_INIT_UNIFORM, xavier)));
    PKM_TRY(add_search_param(layer, &layer->query_bias, prefix, "query.bias",
                             vector(width, 0, PKM_PARAM_DENSE)));
    if (c->query_norm != PKM_NORM_NONE) {
        PKM_TRY(add_search_param(layer, &layer->norm_weight, prefix, "query_norm.weight",
                                 vector(width, 1, PKM_PARAM_DENSE)));
        PKM_TRY(add_search_param(layer, &layer->norm_bias, prefix, "query_norm.bias",
                                 vector(width, 0, PKM_PARAM_DENSE)));
    }
    if (c->query_norm == PKM_NORM_BATCH) {
        PKM_TRY(add_param(layer, &layer->running_mean, prefix, "query_norm.running_mean",
                          vector(width, 0, PKM_PARAM_BUFFER)));
        PKM_TRY(add_param(layer, &layer->running_var, prefix, "query_norm.running_var",
                          vector(width, 1, PKM_PARAM_BUFFER)));
    }
    PKM_TRY(add_search_param(layer, &layer->keys, prefix, "keys", keys));
    if (c->value_dim != c->dim || c->output_gate == PKM_OUTPUT_GATE_SWILU) {
        PKM_TRY(add_param(
            layer, &layer->value_weight, prefix, "value_proj.weight",
            matrix(c->dim, c->value_dim, PKM_INIT_NORMAL, 1 / sqrt((double)c->value_dim))));
        PKM_TRY(add_param(layer, &layer->value_bias, prefix, "value_proj.bias",
                          vector(c->dim, 0, PKM_PARAM_DENSE)));
    }
    if (c->output_gate == PKM_OUTPUT_GATE_SWILU) {
        PKM_TRY(add_param(layer, &layer->swilu_weight, prefix, "swilu.weight",
                          matrix(c->value_dim, c->dim, PKM_INIT_NORMAL, 1 / sqrt((double)c->dim))));
        PKM_TRY(add_param(layer, &layer->swilu_bias, prefix, "swilu.bias",
                          vector(c->value_dim, 0, PKM_PARAM_DENSE)));
    }
    return PKM_OK;
}

static pkm_status check_store(const pkm_memory_config *config, const pkm_store *store)
{
    const pkm_store_config *table = pkm_store_config_of(store);

    if (table->slots != pkm_memory_slots(config))
        return pkm_fail(PKM_ERR_SHAPE, "the store has %lld slots: expected n_keys^2 = %lld",
                        (long long)table->slots, (long long)pkm_memory_slots(config));
    if (table->value_dim != config->value_dim)
        return pkm_fail(PKM_ERR_SHAPE, "the store's value_dim is %lld: expected %lld",
                        (long long)table->value_dim, (long long)config->value_dim);
    return PKM_OK;
}

static pkm_status fill(pkm_memory_layer *layer, const char *prefix)
{
    const pkm_memory_config *c = &layer->config;
    pkm_search_config search = {.heads = c->heads,
                                .n_keys = c->n_keys,
                                .key_dim = c->key_dim,
                                .topk = c->topk,
                                .compute = layer->compute,
                                .key_kind = c->key_kind};

    PKM_TRY(check_store(c, layer->store));
    PKM_TRY(add_params(layer, prefix));
    if (c->query_norm == PKM_NORM_BATCH) {
        PKM_TRY(pkm_alloc_array((void **)&layer->mean, (size_t)layer->width, sizeof(float),
                                "batch statistics"));
        PKM_TRY(pkm_alloc_array((void **)&layer->inverse, (size_t)layer->width, sizeof(float),
                                "batch statistics"));
    }
    return pkm_search_create(&layer->search, &search);
}

pkm_status pkm_memory_layer_create(pkm_memory_layer **out, pkm_params *params, pkm_store *store,
                                   const char *prefix, const pkm_memory_config *config,
                                   pkm_dtype compute)
{
    pkm_memory_layer *layer;
    pkm_status status;

    PKM_TRY(pkm_memory_config_check(config));
    PKM_TRY(pkm_alloc_array((void **)&layer, 1, sizeof *layer, "a memory layer"));
    layer->config = *config;
    if (config->value_dim == 0)
        layer->config.value_dim = config->dim;
    layer->compute = compute;
    layer->width = config->heads * config->key_dim;
    layer->hits = config->heads * config->topk;
    layer->params = params;
    layer->store = store;
    status = fill(layer, prefix);
    if (status != PKM_OK) {
        pkm_memory_layer_destroy(layer);
        return status;
    }
    *out = layer;
    return PKM_OK;
}

void pkm_memory_layer_destroy(pkm_memory_layer *layer)
{
    if (layer == NULL)
        return;
    pkm_search_destroy(layer->search);
    pkm_usage_destroy(layer->usage);
    pkm_key_reads_release(&layer->reads);
    pkm_free(layer->mean);
    pkm_free(layer->inverse);
    pkm_free(layer);
}

const pkm_memory_config *pkm_memory_layer_config(const pkm_memory_layer *layer)
{
    return &layer->config;
}

pkm_dtype pkm_memory_layer_compute(const pkm_memory_layer *layer)
{
    return layer->compute;
}

int pkm_memory_layer_params(const pkm_memory_layer *layer, pkm_param *out[PKM_MEMORY_PARAMS])
{
    pkm_param *const all[PKM_MEMORY_PARAMS] = {
        layer->query_weight, layer->query_bias, layer->norm_weight,  layer->norm_bias, layer->keys,
        layer->value_weight, layer->value_bias, layer->swilu_weight, layer->swilu_bias};
    int count = 0;

    for (int i = 0; i < PKM_MEMORY_PARAMS; i++)
        if (all[i] != NULL)
            out[count++] = all[i];
    return count;
}

static pkm_status use_dense(pkm_param *weight, const pkm_memory_layer *layer,
                            const pkm_memory_plan *plan)
{
    pkm_dense_config config = {.layout = PKM_WEIGHT_OUT_IN,
                               .compute = layer->compute,
                               .backward = plan->train,
                               .max_rows = plan->max_rows};

    if (weight == NULL)
        return PKM_OK;
    config.n_out = weight->spec.dims[0];
    config.n_in = weight->spec.dims[1];
    return pkm_param_use_dense(weight, &config);
}

pkm_status pkm_memory_layer_prepare(pkm_memory_layer *layer, const pkm_memory_plan *plan)
{
    int64_t most = INT32_MAX / pkm_max_i64(layer->hits, 2 * layer->config.heads);

    PKM_TRY(pkm_check_range("rows of a memory layer", plan->max_rows, 0, most));
    PKM_TRY(use_dense(layer->query_weight, layer, plan));
    PKM_TRY(use_dense(layer->value_weight, layer, plan));
    return use_dense(layer->swilu_weight, layer, plan);
}

int pkm_memory_layer_saved(const pkm_memory_layer *layer, pkm_memory_saved out[PKM_MEMORY_SAVED])
{
    int count = 0;

    out[count++] = (pkm_memory_saved){"query", PKM_F32, layer->width};
    out[count++] = (pkm_memory_saved){"ids", PKM_I32, layer->hits};
    out[count++] = (pkm_memory_saved){"weights", PKM_F32, layer->hits};
    if (layer->value_weight != NULL)
        out[count++] = (pkm_memory_saved){"bag", PKM_F32, layer->config.value_dim};
    if (layer->swilu_weight != NULL)
        out[count++] = (pkm_memory_saved){"swilu", PKM_F32, layer->config.value_dim};
    return count;
}

layer_saved pkm_layer_saved(const pkm_memory_layer *layer, void *const *saved)
{
    return (layer_saved){.query = saved[0],
                         .ids = saved[1],
                         .weights = saved[2],
                         .bag = layer->value_weight != NULL ? saved[3] : NULL,
                         .swilu = layer->swilu_weight != NULL ? saved[4] : NULL};
}

pkm_key_grad pkm_layer_key_grad(const pkm_memory_layer *layer, int64_t n_rows)
{
    const pkm_memory_config *c = &layer->config;

    return (pkm_key_grad){.key_kind = c->key_kind,
                          .n_rows = n_rows,
                          .heads = c->heads,
                          .n_keys = c->n_keys,
                          .key_dim = c->key_dim,
                          .topk = c->topk};
}

void pkm_layer_carve(layer_scratch *out, pkm_arena *arena, const pkm_memory_layer *layer,
                     const pkm_memory_plan *plan)
{
    size_t rows = (size_t)plan->max_rows, compute = pkm_dtype_bytes(layer->compute);
    size_t x_bytes = pkm_size_product((size_t)layer->config.dim, compute);
    size_t value_dim = (size_t)layer->config.value_dim, width = (size_t)layer->width;
    size_t pool = pkm_search_workspace(layer->search);
    pkm_key_grad key_grad = pkm_layer_key_grad(layer, plan->max_rows);

    memset(out, 0, sizeof *out);
    if (plan->masked) {
        out->live = pkm_arena_take(arena, rows, sizeof(int32_t));
        out->x = pkm_arena_take(arena, rows, x_bytes);
        out->y = pkm_arena_take(arena, rows, x_bytes);
    }
    out->q = pkm_arena_take(arena, rows, pkm_size_product(width, sizeof(float)));
    out->bag = pkm_arena_take(arena, rows, pkm_size_product(value_dim, sizeof(float)));
    if (layer->value_weight != NULL)
        out->gated = pkm_arena_take(arena, rows, pkm_size_product(value_dim, compute));
    if (plan->train) {
        if (plan->masked)
            out->dx = pkm_arena_take(arena, rows, x_bytes);
        out->dq = pkm_arena_take(arena, rows, pkm_size_product(width, sizeof(float)));
        if (layer->compute != PKM_F32)
            out->dq_compute = pkm_arena_take(arena, rows, pkm_size_product(width, compute));
        out->dweights =
            pkm_arena_take(arena, rows, pkm_size_product((size_t)layer->hits, sizeof(float)));
        pool = pkm_round_up(pool, PKM_ALIGN);
        if (pool < pkm_key_grad_workspace(&key_grad))
            pool = pkm_key_grad_workspace(&key_grad);
    }
    out->pool = pkm_arena_take(arena, pool, 1);
}

size_t pkm_memory_layer_packed_bytes(const pkm_memory_layer *layer)
{
    return pkm_search_bytes(layer->search);
}

size_t pkm_memory_layer_workspace(const pkm_memory_layer *layer, const pkm_memory_plan *plan)
{
    layer_scratch scratch;
    pkm_arena arena = {0};

    pkm_layer_carve(&scratch, &arena, layer, plan);
    return arena.used;
}

layer_scratch pkm_layer_scratch(const pkm_memory_layer *layer, const pkm_memory_call *call)
{
    pkm_memory_plan plan = {call->n_rows, call->train, call->mask != NULL};
    pkm_arena arena = {.base = call->workspace};
    layer_scratch scratch;

    pkm_layer_carve(&scratch, &arena, layer, &plan);
    return scratch;
}

int64_t pkm_layer_live(int32_t *live, const pkm_memory_call *call)
{
    int64_t n_live = 0;

    if (call->mask == NULL)
        return call->n_rows;
    for (int64_t row = 0; row < call->n_rows; row++)
        if (call->mask[row] != 0)
            live[n_live++] = (int32_t)row;
    return n_live;
}

pkm_norm pkm_layer_norm(const pkm_memory_layer *layer)
{
    bool affine = layer->norm_weight != NULL;

    return (pkm_norm){.kind = layer->config.query_norm,
                      .width = layer->width,
                      .group = layer->config.key_dim / 2,
                      .weight = affine ? layer->norm_weight->data : NULL,
                      .bias = affine ? layer->norm_bias->data : NULL,
                      .mean = layer->mean,
                      .inverse = layer->inverse};
}

const void *pkm_layer_gated(const pkm_memory_layer *layer, const layer_saved *saved, void *gated,
                            int64_t n_rows)
{
    int64_t count = n_rows * layer->config.value_dim;

    if (layer->swilu_weight != NULL)
        pkm_swilu_forward(gated, layer->compute, saved->bag, saved->swilu, count);
    else if (layer->compute != PKM_F32)
        pkm_convert(gated, layer->compute, saved->bag, PKM_F32, count);
    else
        return saved->bag;
    return gated;
}

/*
 * Flops: products of query, search (all keys), bag, projections; twice that
 * and the gate dots backward. Bytes: weights and keys once, activations once, the rows of the bag
 * as often as they are hit, backward as many distinct rows once as even draws would meet.
 */
void pkm_memory_layer_cost(const pkm_memory_layer *layer, int64_t n_rows, bool backward,
                           double *flops, double *bytes)
{
    const pkm_memory_config *c = &layer->config;
    double n = (double)n_rows, dim = (double)c->dim, value_dim = (double)c->value_dim;
    double width = (double)layer->width, compute = (double)pkm_dtype_bytes(layer->compute);
    double hits = n * (double)layer->hits, slots = (double)pkm_memory_slots(c);
    double row = value_dim * (double)pkm_dtype_bytes(pkm_store_config_of(layer->store)->dtype);
    double keys = (double)layer->keys->count, products = dim * width;

    if (layer->value_weight != NULL)
        products += dim * value_dim;
    if (layer->swilu_weight != NULL)
        products += dim * value_dim;
    if (backward) {
        *flops = 4 * n * products + 2 * hits * (value_dim + 2 * (double)c->key_dim);
        *bytes = 2 * compute * products + 8 * keys + 2 * n * dim * compute + 4 * n * width +
                 slots * (1 - exp(-hits / slots)) * row + 4 * n * value_dim + 20 * hits;
    } else {
        *flops = 2 * n * (products + keys) + 2 * hits * value_dim;
        *bytes = compute * (products + keys) + 2 * n * dim * compute + 4 * n * width + hits * row +
                 8 * hits;
    }
}

pkm_status pkm_memory_layer_usage_start(pkm_memory_layer *layer)
{
    const pkm_memory_config *c = &layer->config;

    if (layer->usage == NULL)
        PKM_TRY(pkm_usage_create(&layer->usage, c->heads, pkm_memory_slots(c)));
    pkm_usage_reset(layer->usage);
    layer->counting = true;
    return PKM_OK;
}

void pkm_memory_layer_usage_stop(pkm_memory_layer *layer)
{
    layer->counting = false;
}

const pkm_usage_counter *pkm_memory_layer_usage(const pkm_memory_layer *layer)
{
    return layer->usage;
}

void pkm_memory_layer_observe(pkm_memory_layer *layer, pkm_memory_observer observer, void *user)
{
    layer->observer = observer;
    layer->observer_user = user;
}

pkm_status pkm_memory_layer_watch(pkm_memory_layer *layer)
{
    const pkm_key_shape keys = pkm_memory_keys(&layer->config);

    if (layer->reads.window == NULL)
        return pkm_key_reads_init(&layer->reads, layer->config.heads, &keys);
    pkm_key_reads_clear(&layer->reads);
    return PKM_OK;
}

pkm_key_reads *pkm_memory_layer_reads(pkm_memory_layer *layer)
{
    return &layer->reads;
}

const char *pkm_memory_layer_keys_name(const pkm_memory_layer *layer)
{
    return layer->keys->spec.name;
}
