/* SPDX-License-Identifier: Apache-2.0 */
/* The layer that stands alone: parameters, store, layer, activations and optimiser in one object.
 */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/system.h"
#include "base/threads.h"
#include "memory/elementwise.h"
#include "memory/memory_config.h"
#include "memory/memory_parts.h"
#include "memory/revive.h"
#include "params/adamw.h"

void pkm_memory_options_init(pkm_memory_options *out)
{
    *out = (pkm_memory_options){
        .max_tokens = 1024,
        .grad_accum = 1,
        .train = true,
        .precision = PKM_F32,
        .lr = 1e-3,
        .key_lr = 1e-3,
        .value_lr = 1e-3,
        .value_dtype = PKM_F32,
        .value_optimizer = PKM_VALUES_ADAM,
    };
}

/* Takes the caller's store, or makes one. */
static pkm_status take_store(pkm_memory *memory, const pkm_memory_config *config,
                             const char *map_path, pkm_store *store)
{
    const pkm_memory_options *options = &memory->options;
    pkm_store_config table = {
        .slots = pkm_memory_slots(config),
        .value_dim = config->value_dim == 0 ? config->dim : config->value_dim,
        .dtype = options->value_dtype,
        .optimizer = options->value_optimizer,
        .train = options->train,
        .map_path = map_path,
        .seed = options->seed,
    };

    memory->store = store;
    if (store == NULL) {
        memory->owns_store = true;
        PKM_TRY(pkm_store_create(&memory->store, &table));
        return map_path != NULL ? PKM_OK
                                : pkm_memory_check(pkm_store_bytes(memory->store),
                                                   "the value table of a memory layer",
                                                   "fewer or narrower rows would fit");
    }
    if (options->train && !pkm_store_config_of(store)->train)
        return pkm_fail(PKM_ERR_SHAPE, "train is set, but the store was made without training");
    return PKM_OK;
}

static void carve(pkm_memory *memory, pkm_arena *arena)
{
    size_t rows = (size_t)memory->options.max_tokens;
    size_t dim = (size_t)pkm_memory_layer_config(memory->layer)->dim;
    size_t row_bytes = pkm_size_product(dim, pkm_dtype_bytes(memory->options.precision));
    pkm_memory_saved saved[PKM_MEMORY_SAVED];
    int n_saved = pkm_memory_layer_saved(memory->layer, saved);

    for (int i = 0; i < n_saved; i++)
        memory->saved[i] = pkm_arena_take(
            arena, rows, pkm_size_product((size_t)saved[i].width, pkm_dtype_bytes(saved[i].dtype)));
    memory->x = pkm_arena_take(arena, rows, row_bytes);
    memory->y = pkm_arena_take(arena, rows, row_bytes);
    memory->mask = pkm_arena_take(arena, rows, 1);
}

static pkm_memory_plan plan_of(const pkm_memory *memory)
{
    return (pkm_memory_plan){memory->options.max_tokens, memory->options.train, true};
}

/* Scratch for the threads in use now, which may have become more. */
static pkm_status reserve_workspace(pkm_memory *memory)
{
    pkm_memory_plan plan = plan_of(memory);
    size_t bytes = pkm_memory_layer_workspace(memory->layer, &plan);
    void *workspace;

    if (bytes <= memory->workspace_bytes)
        return PKM_OK;
    PKM_TRY(pkm_pages_alloc(&workspace, bytes, "a memory layer's workspace"));
    pkm_pages_free(memory->workspace, memory->workspace_bytes);
    memory->workspace = workspace;
    memory->workspace_bytes = bytes;
    return PKM_OK;
}

static pkm_status allocate(pkm_memory *memory)
{
    const pkm_memory_options *options = &memory->options;
    const pkm_memory_config *config = pkm_memory_layer_config(memory->layer);
    pkm_memory_plan plan = plan_of(memory);
    pkm_arena arena = {0};
    size_t bytes;

    PKM_TRY(pkm_params_bytes(memory->params, options->train, &bytes));
    PKM_TRY(pkm_memory_check(pkm_size_sum(bytes, pkm_memory_layer_packed_bytes(memory->layer)),
                             "the keys and maps of a memory layer", "fewer or narrower would fit"));
    PKM_TRY(pkm_params_allocate(memory->params, options->train));
    PKM_TRY(pkm_memory_layer_prepare(memory->layer, &plan));
    carve(memory, &arena);
    PKM_TRY(pkm_pages_alloc(&memory->pages, arena.used, "a memory layer's activations"));
    memory->pages_bytes = arena.used;
    arena = (pkm_arena){.base = memory->pages};
    carve(memory, &arena);
    PKM_TRY(reserve_workspace(memory));
    if (!options->train)
        return PKM_OK;
    return pkm_store_reserve(memory->store,
                             pkm_store_reserved(memory->store) +
                                 options->max_tokens * options->grad_accum,
                             config->heads * config->topk);
}

static pkm_status fill(pkm_memory *memory, const pkm_memory_config *config, const char *map_path,
                       pkm_store *store)
{
    PKM_TRY(take_store(memory, config, map_path, store));
    PKM_TRY(pkm_params_create(&memory->params));
    PKM_TRY(pkm_memory_layer_create(&memory->layer, memory->params, memory->store, "", config,
                                    memory->options.precision));
    PKM_TRY(pkm_store_register(memory->store, memory->params, "values"));
    PKM_TRY(allocate(memory));
    pkm_params_init(memory->params, memory->options.seed);
    if (memory->owns_store)
        pkm_store_init(memory->store, memory->options.seed);
    return PKM_OK;
}

pkm_status pkm_memory_create(pkm_memory **out, const pkm_memory_config *config,
                             const pkm_memory_options *options, pkm_store *store)
{
    pkm_memory *memory;
    pkm_status status;

    PKM_TRY(pkm_memory_config_check(config));
    PKM_TRY(pkm_memory_options_check(options, store != NULL));
    PKM_TRY(pkm_threads_check());
    PKM_TRY(pkm_alloc_array((void **)&memory, 1, sizeof *memory, "a memory layer"));
    memory->options = *options;
    memory->options.map_path = NULL;
    status = fill(memory, config, options->map_path, store);
    if (status != PKM_OK) {
        pkm_memory_destroy(memory);
        return status;
    }
    *out = memory;
    return PKM_OK;
}

void pkm_memory_destroy(pkm_memory *memory)
{
    if (memory == NULL)
        return;
    pkm_memory_layer_destroy(memory->layer);
    pkm_params_destroy(memory->params);
    if (memory->owns_store)
        pkm_store_destroy(memory->store);
    pkm_pages_free(memory->pages, memory->pages_bytes);
    pkm_pages_free(memory->workspace, memory->workspace_bytes);
    pkm_free(memory);
}

static pkm_memory_call last_call(const pkm_memory *memory)
{
    pkm_memory_call call = {
        .n_rows = memory->n_tokens,
        .mask = memory->masked ? memory->mask : NULL,
        .train = memory->trained,
        .workspace = memory->workspace,
    };

    memcpy(call.saved, memory->saved, sizeof call.saved);
    return call;
}

pkm_status pkm_memory_forward(pkm_memory *memory, float *y, const float *x, int64_t n_tokens,
                              const unsigned char *mask, bool train)
{
    pkm_dtype compute = memory->options.precision;
    int64_t count;
    pkm_memory_call call;

    PKM_TRY(pkm_check_range("n_tokens", n_tokens, 0, memory->options.max_tokens));
    count = n_tokens * pkm_memory_layer_config(memory->layer)->dim;
    if (train && !memory->options.train)
        return pkm_fail(PKM_ERR_STATE, "a training forward of a layer made without train");
    PKM_TRY(reserve_workspace(memory));
    memory->n_tokens = n_tokens;
    memory->trained = false;
    memory->masked = mask != NULL;
    if (mask != NULL)
        memcpy(memory->mask, mask, (size_t)n_tokens);
    pkm_convert(memory->x, compute, x, PKM_F32, count);
    pkm_params_pack(memory->params);
    call = last_call(memory);
    call.train = train;
    PKM_TRY(pkm_memory_layer_forward(memory->layer, memory->y, memory->x, &call));
    pkm_convert(y, PKM_F32, memory->y, compute, count);
    memory->trained = train;
    return PKM_OK;
}

/* A failed backward leaves gradients half-written: those of the whole step are dropped. */
static pkm_status drop_gradients(pkm_memory *memory, pkm_status status)
{
    memory->n_backward = 0;
    if (memory->owns_store)
        pkm_store_discard(memory->store);
    return status;
}

pkm_status pkm_memory_backward(pkm_memory *memory, float *dx, const float *dy)
{
    pkm_dtype compute = memory->options.precision;
    int64_t count = memory->n_tokens * pkm_memory_layer_config(memory->layer)->dim;
    pkm_memory_call call = last_call(memory);
    pkm_memory_grads grads = {.accumulate_params = memory->n_backward > 0};
    const void *upstream = dy;
    pkm_status status;

    if (!memory->trained)
        return pkm_fail(PKM_ERR_STATE, "backward without a training forward before it");
    if (memory->n_backward >= memory->options.grad_accum)
        return pkm_fail(PKM_ERR_STATE, "backward %lld times before a step: grad_accum is %lld",
                        (long long)memory->n_backward + 1, (long long)memory->options.grad_accum);
    PKM_TRY(reserve_workspace(memory));
    call.workspace = memory->workspace;
    memory->trained = false;
    if (compute != PKM_F32) { /* y has been handed out: its place takes dy, then dx */
        pkm_convert(memory->y, compute, dy, PKM_F32, count);
        upstream = memory->y;
    }
    grads.dx = compute == PKM_F32 || dx == NULL ? dx : memory->y;
    status = pkm_memory_layer_backward(memory->layer, &grads, upstream, memory->x, &call);
    if (status != PKM_OK)
        return drop_gradients(memory, status);
    memory->n_backward++;
    if (dx != NULL && grads.dx != dx)
        pkm_convert(dx, PKM_F32, grads.dx, compute, count);
    return PKM_OK;
}

pkm_status pkm_memory_step(pkm_memory *memory)
{
    const pkm_memory_options *options = &memory->options;
    pkm_adamw_config adamw = {0.9f, 0.999f, 1e-8f, (float)options->weight_decay};
    pkm_adamw_rates rates = {(float)options->lr, (float)options->key_lr};
    double norm, value_norm = 0;
    float scale, value_scale;

    if (memory->n_backward == 0)
        return pkm_fail(PKM_ERR_STATE, "step without a backward before it");
    PKM_TRY(pkm_params_grad_norm(memory->params, &norm));
    if (memory->owns_store && options->value_clip > 0)
        PKM_TRY(pkm_store_grad_norm(memory->store, &value_norm));
    PKM_TRY(pkm_clip_scale(&scale, norm, options->clip, "the layer"));
    PKM_TRY(pkm_clip_scale(&value_scale, value_norm, options->value_clip, "the values"));
    if (memory->owns_store)
        PKM_TRY(
            pkm_store_step(memory->store, memory->step + 1, (float)options->value_lr, value_scale));
    PKM_TRY(pkm_adamw_step(memory->params, &adamw, memory->step + 1, rates, scale));
    pkm_key_reads_take(pkm_memory_layer_reads(memory->layer));
    memory->step++;
    memory->n_backward = 0;
    return PKM_OK;
}

int pkm_memory_tensor_count(const pkm_memory *memory)
{
    return pkm_params_count(memory->params);
}

static void describe(pkm_memory_tensor *out, const pkm_param *param)
{
    *out = (pkm_memory_tensor){.name = param->spec.name,
                               .dtype = param->dtype,
                               .n_dims = param->spec.n_dims,
                               .data = param->data,
                               .grad = param->grad};
    memcpy(out->dims, param->spec.dims, sizeof out->dims);
}

pkm_status pkm_memory_tensor_at(const pkm_memory *memory, pkm_memory_tensor *out, int index)
{
    PKM_TRY(pkm_check_range("tensor index", index, 0, pkm_params_count(memory->params) - 1));
    describe(out, pkm_params_at(memory->params, index));
    return PKM_OK;
}

static pkm_status find(const pkm_memory *memory, pkm_param **out, const char *name)
{
    *out = pkm_params_find(memory->params, name);
    return *out != NULL ? PKM_OK
                        : pkm_fail(PKM_ERR_ARG, "the memory layer has no tensor '%s'", name);
}

pkm_status pkm_memory_tensor_find(const pkm_memory *memory, pkm_memory_tensor *out,
                                  const char *name)
{
    pkm_param *param;

    PKM_TRY(find(memory, &param, name));
    describe(out, param);
    return PKM_OK;
}

pkm_status pkm_memory_tensor_write(pkm_memory *memory, const char *name, const float *data,
                                   int64_t count)
{
    pkm_param *param;

    PKM_TRY(find(memory, &param, name));
    if (count != param->count)
        return pkm_fail(PKM_ERR_SHAPE, "%lld values for tensor '%s': expected %lld",
                        (long long)count, name, (long long)param->count);
    pkm_convert(param->data, param->dtype, data, PKM_F32, count);
    pkm_param_changed(param);
    return PKM_OK;
}

pkm_status pkm_memory_usage_start(pkm_memory *memory)
{
    return pkm_memory_layer_usage_start(memory->layer);
}

void pkm_memory_usage_stop(pkm_memory *memory)
{
    pkm_memory_layer_usage_stop(memory->layer);
}

pkm_status pkm_memory_usage(const pkm_memory *memory, pkm_usage *out, int head)
{
    const pkm_usage_counter *counter = pkm_memory_layer_usage(memory->layer);

    if (counter == NULL)
        return pkm_fail(PKM_ERR_STATE, "usage was never started on this layer");
    PKM_TRY(pkm_usage_result(counter, out, head));
    out->layer = 0;
    return PKM_OK;
}

pkm_status pkm_memory_revive_start(pkm_memory *memory)
{
    if (!memory->options.train)
        return pkm_fail(PKM_ERR_STATE, "reviving in a layer made without train");
    if (memory->owns_store)
        PKM_TRY(pkm_store_watch(memory->store));
    return pkm_memory_layer_watch(memory->layer);
}

pkm_status pkm_memory_revive(pkm_memory *memory, double below, pkm_revived *out)
{
    pkm_revive_rule rule = {below, memory->options.seed, memory->step};
    pkm_revived revived;

    if (!(below >= 0 && below <= 1))
        return pkm_fail(PKM_ERR_ARG, "below is %g: expected 0 to 1", below);
    if (pkm_memory_layer_reads(memory->layer)->window == NULL)
        return pkm_fail(PKM_ERR_STATE, "reviving was never started on this layer");
    if (memory->n_backward > 0)
        return pkm_fail(PKM_ERR_STATE, "reviving between backward and step");
    pkm_revive(&revived, &memory->layer, 1, &rule);
    memory->trained = false; /* the last forward was with other keys */
    if (out != NULL)
        *out = revived;
    return PKM_OK;
}
