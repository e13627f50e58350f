/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a GPT-2 with memories. Its graph is in gpt_tape.c. */
#include "models/gpt.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "memory/memory_config.h"

static const float init_std = 0.02f; /* Radford et al. 2019 */

/* [a] or, with b > 0, [a, b]. */
static pkm_status declare_as(pkm_params *params, const char *name, const char *leaf, int64_t a,
                             int64_t b, pkm_init init, bool in_out)
{
    pkm_param_spec spec = {
        .n_dims = b > 0 ? 2 : 1, .dims = {a, b}, .init = init, .decay = b > 0, .in_out = in_out};
    pkm_param *unused;

    snprintf(spec.name, sizeof spec.name, "%s.%s", name, leaf);
    return pkm_params_add(params, &unused, &spec);
}

static pkm_status declare(pkm_params *params, const char *name, const char *leaf, int64_t a,
                          int64_t b, pkm_init init)
{
    return declare_as(params, name, leaf, a, b, init, false);
}

static pkm_init constant(float value)
{
    return (pkm_init){PKM_INIT_CONSTANT, value};
}

static pkm_init normal(float std)
{
    return (pkm_init){PKM_INIT_NORMAL, std};
}

static pkm_status declare_norm(pkm_params *params, const char *name, int64_t dim)
{
    PKM_TRY(declare(params, name, "weight", dim, 0, constant(1)));
    return declare(params, name, "bias", dim, 0, constant(0));
}

static pkm_status declare_linear(pkm_params *params, const char *name, int64_t n_in, int64_t n_out,
                                 float std)
{
    PKM_TRY(declare_as(params, name, "weight", n_in, n_out, normal(std), true));
    return declare(params, name, "bias", n_out, 0, constant(0));
}

/* What a block owns beside its memory. */
static pkm_status declare_block(pkm_params *params, const pkm_gpt_config *config, int64_t layer)
{
    /* So that the residual stream's variance does not grow with depth. */
    float residual_std = init_std / sqrtf(2.0f * (float)config->layers);
    int64_t dim = config->dim, ffn_dim = config->ffn_dim;
    pkm_gpt_name name;

    PKM_TRY(declare_norm(params, pkm_gpt_block_name(&name, layer, "ln_1"), dim));
    PKM_TRY(declare_linear(params, pkm_gpt_block_name(&name, layer, "attn.c_attn"), dim, 3 * dim,
                           init_std));
    PKM_TRY(declare_linear(params, pkm_gpt_block_name(&name, layer, "attn.c_proj"), dim, dim,
                           residual_std));
    PKM_TRY(declare_norm(params, pkm_gpt_block_name(&name, layer, "ln_2"), dim));
    if (!pkm_gpt_has_ffn(config, layer))
        return PKM_OK;
    PKM_TRY(declare_linear(params, pkm_gpt_block_name(&name, layer, "mlp.c_fc"), dim, ffn_dim,
                           init_std));
    return declare_linear(params, pkm_gpt_block_name(&name, layer, "mlp.c_proj"), ffn_dim, dim,
                          residual_std);
}

/* A store whose table lies in a scratch file; one that a killed process left behind gives way. */
static pkm_status map_store(pkm_store **out, pkm_store_config *config, const char *dir, int index)
{
    char leaf[32];
    char *path;
    pkm_status status;

    snprintf(leaf, sizeof leaf, ".values-%d", index);
    PKM_TRY(pkm_path_join(&path, dir, leaf));
    (void)pkm_io()->remove(AT_FDCWD, path, 0);
    config->map_path = path;
    status = pkm_store_create(out, config);
    pkm_free(path);
    return status;
}

static pkm_status create_store(pkm_gpt *gpt, const void *table)
{
    const pkm_gpt_config *config = &gpt->config;
    pkm_store_config store = {.slots = pkm_memory_slots(&config->memory),
                              .value_dim = config->memory.value_dim,
                              .dtype = config->value_dtype,
                              .optimizer = config->value_optimizer,
                              .train = gpt->train,
                              .seed = config->seed};
    int index = gpt->n_stores;
    pkm_gpt_name name;

    if (table != NULL)
        PKM_TRY(pkm_store_create_view(&gpt->stores[index], &store, table));
    else if (config->map_dir != NULL)
        PKM_TRY(map_store(&gpt->stores[index], &store, config->map_dir, index));
    else
        PKM_TRY(pkm_store_create(&gpt->stores[index], &store));
    gpt->n_stores++;
    return pkm_store_register(gpt->stores[index], gpt->params, pkm_gpt_values_name(&name, index));
}

/* Memory `index` on its own store or, shared, on the first. */
static pkm_status create_memory(pkm_gpt *gpt, int index)
{
    const pkm_gpt_config *config = &gpt->config;
    pkm_store *store = gpt->stores[config->shared_values ? 0 : index];
    pkm_gpt_name prefix;

    pkm_gpt_block_name(&prefix, config->memory_layers.value[index], "pkm.");
    PKM_TRY(pkm_memory_layer_create(&gpt->memories[index], gpt->params, store, prefix.text,
                                    &config->memory, config->compute));
    gpt->n_memories++;
    return PKM_OK;
}

/* What is large and read by products: all matrices but the position embedding. */
static pkm_status store_weights(pkm_gpt *gpt)
{
    int count = pkm_params_count(gpt->params);

    for (int i = 0; i < count; i++) {
        pkm_param *param = pkm_params_at(gpt->params, i);

        if (param->spec.role == PKM_PARAM_DENSE && param->spec.n_dims == 2 &&
            strcmp(param->spec.name, "wpe.weight") != 0)
            PKM_TRY(pkm_param_store(gpt->params, param, gpt->config.weights));
    }
    return PKM_OK;
}

static pkm_status declare_all(pkm_gpt *gpt, const void *const *tables)
{
    const pkm_gpt_config *config = &gpt->config;
    int n_memories = (int)config->memory_layers.count; /* <= PKM_LIST_MAX */

    PKM_TRY(
        declare(gpt->params, "wte", "weight", config->vocab_size, config->dim, normal(init_std)));
    PKM_TRY(declare(gpt->params, "wpe", "weight", config->seq_len, config->dim, normal(init_std)));
    for (int64_t layer = 0; layer < config->layers; layer++)
        PKM_TRY(declare_block(gpt->params, config, layer));
    PKM_TRY(declare_norm(gpt->params, "ln_f", config->dim));
    for (int i = 0; i < pkm_gpt_n_stores(config); i++)
        PKM_TRY(create_store(gpt, tables == NULL ? NULL : tables[i]));
    for (int i = 0; i < n_memories; i++)
        PKM_TRY(create_memory(gpt, i));
    return config->weights == PKM_F32 ? PKM_OK : store_weights(gpt);
}

pkm_status pkm_gpt_declare(pkm_gpt **out, const pkm_gpt_config *config, bool train,
                           const void *const *tables)
{
    pkm_gpt *gpt;
    pkm_status status;

    PKM_TRY(pkm_gpt_config_check(config));
    if (train)
        PKM_TRY(pkm_gpt_check_trainable(config, "the model"));
    PKM_TRY(pkm_alloc_array((void **)&gpt, 1, sizeof *gpt, "a model"));
    gpt->config = *config;
    gpt->train = train;
    status = pkm_params_create(&gpt->params);
    if (status == PKM_OK)
        status = declare_all(gpt, tables);
    if (status != PKM_OK) {
        pkm_gpt_destroy(gpt);
        return status;
    }
    *out = gpt;
    return PKM_OK;
}

pkm_status pkm_gpt_allocate(pkm_gpt *gpt)
{
    return pkm_params_allocate(gpt->params, gpt->train);
}

pkm_status pkm_gpt_create(pkm_gpt **out, const pkm_gpt_config *config, bool train)
{
    pkm_gpt *gpt;
    pkm_status status;

    PKM_TRY(pkm_gpt_declare(&gpt, config, train, NULL));
    status = pkm_gpt_allocate(gpt);
    if (status != PKM_OK) {
        pkm_gpt_destroy(gpt);
        return status;
    }
    *out = gpt;
    return PKM_OK;
}

void pkm_gpt_destroy(pkm_gpt *gpt)
{
    if (gpt == NULL)
        return;
    for (int i = 0; i < gpt->n_memories; i++)
        pkm_memory_layer_destroy(gpt->memories[i]);
    pkm_params_destroy(gpt->params);
    for (int i = 0; i < gpt->n_stores; i++)
        pkm_store_destroy(gpt->stores[i]);
    pkm_free(gpt);
}

void pkm_gpt_init(pkm_gpt *gpt, uint64_t seed)
{
    pkm_params_init(gpt->params, seed);
    for (int i = 0; i < gpt->n_stores; i++)
        pkm_store_init(gpt->stores[i], seed);
}

int64_t pkm_gpt_parameters(const pkm_gpt *gpt)
{
    int64_t total = 0;

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);

        if (param->spec.role != PKM_PARAM_BUFFER)
            total += param->count;
    }
    return total;
}

pkm_status pkm_gpt_needs(const pkm_gpt *gpt, size_t *out)
{
    size_t total;

    PKM_TRY(pkm_params_bytes(gpt->params, gpt->train, &total));
    for (int i = 0; i < gpt->n_memories; i++)
        total = pkm_size_sum(total, pkm_memory_layer_packed_bytes(gpt->memories[i]));
    if (gpt->config.map_dir == NULL)
        total = pkm_size_sum(total, pkm_gpt_table_bytes(gpt));
    if (total == SIZE_MAX)
        return pkm_fail(PKM_ERR_NOMEM, "the value tables do not fit any memory");
    *out = total;
    return PKM_OK;
}

size_t pkm_gpt_table_bytes(const pkm_gpt *gpt)
{
    size_t total = 0;

    for (int i = 0; i < gpt->n_stores; i++)
        total = pkm_size_sum(total, pkm_store_bytes(gpt->stores[i]));
    return total;
}

pkm_status pkm_gpt_bytes(const pkm_gpt_config *config, bool train, size_t *out)
{
    pkm_gpt_config in_memory = *config;
    pkm_gpt *gpt;
    pkm_status status;

    /* Tables take no memory before they are touched. */
    in_memory.map_dir = NULL;
    PKM_TRY(pkm_gpt_declare(&gpt, &in_memory, train, NULL));
    gpt->config.map_dir = config->map_dir;
    status = pkm_gpt_needs(gpt, out);
    pkm_gpt_destroy(gpt);
    return status;
}
