/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a model's sizes: defaults by width, checks, which block has what, names. */
#include <stdio.h>

#include "base/size.h"
#include "memory/memory_config.h"
#include "models/gpt.h"

enum { HEAD_WIDTH = 64 };

/* Half the model's width, as in Lample et al. 2019 and Berges et al. 2024, in steps of 16. */
static int64_t default_key_dim(int64_t dim)
{
    int64_t width = pkm_ceil_div(dim, 32) * 16;

    return pkm_max_i64(32, pkm_min_i64(512, width));
}

/* About 64 columns to a head, and a divisor of the width. */
static int64_t default_attn_heads(int64_t dim)
{
    int64_t heads = pkm_max_i64(1, dim / HEAD_WIDTH);

    while (dim % heads != 0)
        heads--;
    return heads;
}

pkm_status pkm_gpt_config_from_options(pkm_gpt_config *out, const pkm_train_options *options,
                                       int64_t vocab_size)
{
    int64_t dim = options->dim;
    pkm_gpt_config config = {
        .vocab_size = vocab_size,
        .seq_len = options->seq_len,
        .dim = dim,
        .layers = options->layers,
        .attn_heads = options->attn_heads > 0 ? options->attn_heads : default_attn_heads(dim),
        .ffn_dim = 4 * dim,
        .norm_epsilon = 1e-5,
        .dropout = options->dropout,
        .compute = (pkm_dtype)options->precision,
        .memory_layers = options->memory_layers,
        .memory_mode = (pkm_memory_mode)options->memory_mode,
        .memory = {.dim = dim,
                   .heads = options->memory_heads,
                   .n_keys = options->n_keys,
                   .key_dim = options->key_dim > 0 ? options->key_dim : default_key_dim(dim),
                   .topk = options->topk,
                   .value_dim = options->value_dim > 0 ? options->value_dim : dim,
                   .query_norm = (pkm_query_norm)options->query_norm,
                   .gate = (pkm_gate)options->gate,
                   .output_gate = (pkm_output_gate)options->output_gate,
                   .key_kind = (pkm_key_kind)options->key_kind},
        .shared_values = options->shared_values,
        .value_dtype = (pkm_dtype)options->value_dtype,
        .value_optimizer = (pkm_value_optimizer)options->value_optimizer,
        .seed = (uint64_t)options->seed,
    };

    PKM_TRY(pkm_gpt_config_check(&config));
    *out = config;
    return PKM_OK;
}

static pkm_status check_memory_layers(const pkm_gpt_config *config)
{
    const pkm_int_list *list = &config->memory_layers;

    PKM_TRY(pkm_check_range("the number of memory_layers", list->count, 0, PKM_LIST_MAX));
    for (int64_t i = 0; i < list->count; i++) {
        if (list->value[i] < 0 || list->value[i] >= config->layers)
            return pkm_fail(PKM_ERR_ARG,
                            "memory_layers is %lld: the blocks of %lld layers are 0 to %lld",
                            (long long)list->value[i], (long long)config->layers,
                            (long long)config->layers - 1);
        if (i > 0 && list->value[i] <= list->value[i - 1])
            return pkm_fail(PKM_ERR_ARG, "memory_layers: %lld after %lld: expected ascending",
                            (long long)list->value[i], (long long)list->value[i - 1]);
    }
    return PKM_OK;
}

pkm_status pkm_gpt_config_check(const pkm_gpt_config *config)
{
    PKM_TRY(pkm_check_range("vocab_size", config->vocab_size, 1, 4000000));
    PKM_TRY(pkm_check_range("seq_len", config->seq_len, 1, 1 << 20));
    PKM_TRY(pkm_check_range("dim", config->dim, 1, 65536));
    PKM_TRY(pkm_check_range("layers", config->layers, 1, 1024));
    PKM_TRY(pkm_check_range("attn_heads", config->attn_heads, 1, config->dim));
    PKM_TRY(pkm_check_range("ffn_dim", config->ffn_dim, 1, 1 << 20));
    if (config->dim % config->attn_heads != 0)
        return pkm_fail(PKM_ERR_ARG, "dim is %lld: expected a multiple of attn_heads, %lld",
                        (long long)config->dim, (long long)config->attn_heads);
    if (!(config->dropout >= 0 && config->dropout < 1))
        return pkm_fail(PKM_ERR_ARG, "dropout is %g: expected at least 0 and less than 1",
                        config->dropout);
    PKM_TRY(check_memory_layers(config));
    return config->memory_layers.count > 0 ? pkm_memory_config_check(&config->memory) : PKM_OK;
}

pkm_status pkm_gpt_check_trainable(const pkm_gpt_config *config, const char *path)
{
    if (config->weights == PKM_F32 && config->value_dtype != PKM_I8)
        return PKM_OK;
    return pkm_fail(PKM_ERR_UNSUPPORTED,
                    "%s: quantised: it can be scored and generate, but not be trained; train the "
                    "model it was made of",
                    path);
}

int pkm_gpt_memory_at(const pkm_gpt_config *config, int64_t layer)
{
    for (int i = 0; i < config->memory_layers.count; i++)
        if (config->memory_layers.value[i] == layer)
            return i;
    return -1;
}

bool pkm_gpt_has_ffn(const pkm_gpt_config *config, int64_t layer)
{
    return config->memory_mode == PKM_MEMORY_ADD || pkm_gpt_memory_at(config, layer) < 0;
}

int pkm_gpt_n_stores(const pkm_gpt_config *config)
{
    int n_memories = (int)config->memory_layers.count; /* <= PKM_LIST_MAX */

    return config->shared_values && n_memories > 0 ? 1 : n_memories;
}

const char *pkm_gpt_block_name(pkm_gpt_name *out, int64_t layer, const char *leaf)
{
    snprintf(out->text, sizeof out->text, "h.%lld.%s", (long long)layer, leaf);
    return out->text;
}

const char *pkm_gpt_values_name(pkm_gpt_name *out, int store)
{
    snprintf(out->text, sizeof out->text, "pkm.values.%d", store);
    return out->text;
}
