/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/memory_config.h"

#include <math.h>

pkm_status pkm_check_range(const char *field, int64_t value, int64_t low, int64_t high)
{
    if (value < low || value > high)
        return pkm_fail(PKM_ERR_ARG, "%s is %lld: expected %lld to %lld", field, (long long)value,
                        (long long)low, (long long)high);
    return PKM_OK;
}

static pkm_status check_float_type(const char *field, pkm_dtype dtype)
{
    if (dtype != PKM_F32 && dtype != PKM_BF16)
        return pkm_fail(PKM_ERR_ARG, "%s is %d: expected PKM_F32 or PKM_BF16", field, (int)dtype);
    return PKM_OK;
}

static pkm_status check_not_negative(const char *field, double value)
{
    if (!(value >= 0) || isinf(value))
        return pkm_fail(PKM_ERR_ARG, "%s is %g: expected a finite number, 0 or more", field, value);
    return PKM_OK;
}

/* Flat keys are rows of one matrix, numbered by int32_t. */
static pkm_status check_slots_read(const pkm_search_config *config)
{
    int64_t slots = config->n_keys * config->n_keys;

    if (config->key_kind == PKM_KEYS_PRODUCT)
        return pkm_check_range("topk", config->topk, 1, config->n_keys);
    PKM_TRY(pkm_check_range("heads * n_keys^2 of flat keys", config->heads * slots, 1, INT32_MAX));
    return pkm_check_range("topk", config->topk, 1, slots);
}

pkm_status pkm_search_config_check(const pkm_search_config *config)
{
    PKM_TRY(pkm_check_range("heads", config->heads, 1, PKM_MEMORY_MAX_WIDTH));
    PKM_TRY(pkm_check_range("n_keys", config->n_keys, 1, PKM_MEMORY_MAX_KEYS));
    PKM_TRY(
        pkm_check_range("key_kind", (int64_t)config->key_kind, PKM_KEYS_PRODUCT, PKM_KEYS_FLAT));
    PKM_TRY(check_slots_read(config));
    PKM_TRY(pkm_check_range("key_dim", config->key_dim, 2, PKM_MEMORY_MAX_WIDTH));
    if (config->key_dim % 2 != 0)
        return pkm_fail(PKM_ERR_ARG, "key_dim is %lld: expected an even number",
                        (long long)config->key_dim);
    PKM_TRY(pkm_check_range("heads * key_dim", config->heads * config->key_dim, 2,
                            PKM_MEMORY_MAX_WIDTH));
    PKM_TRY(pkm_check_range("heads * topk", config->heads * config->topk, 1, PKM_MEMORY_MAX_WIDTH));
    return check_float_type("compute", config->compute);
}

pkm_status pkm_memory_config_check(const pkm_memory_config *config)
{
    pkm_search_config search = {.heads = config->heads,
                                .n_keys = config->n_keys,
                                .key_dim = config->key_dim,
                                .topk = config->topk,
                                .key_kind = config->key_kind};

    PKM_TRY(pkm_check_range("dim", config->dim, 1, PKM_MEMORY_MAX_WIDTH));
    PKM_TRY(pkm_search_config_check(&search));
    PKM_TRY(pkm_check_range("value_dim", config->value_dim, 0, PKM_MEMORY_MAX_WIDTH));
    PKM_TRY(
        pkm_check_range("query_norm", (int64_t)config->query_norm, PKM_NORM_BATCH, PKM_NORM_NONE));
    PKM_TRY(pkm_check_range("gate", (int64_t)config->gate, PKM_GATE_SOFTMAX, PKM_GATE_RAW));
    return pkm_check_range("output_gate", (int64_t)config->output_gate, PKM_OUTPUT_GATE_NONE,
                           PKM_OUTPUT_GATE_SWILU);
}

int pkm_memory_key_dims(const pkm_memory_config *config, int64_t dims[4])
{
    pkm_key_shape keys = pkm_memory_keys(config);
    int rank = 0;

    dims[rank++] = config->heads;
    if (keys.parts > 1)
        dims[rank++] = keys.parts;
    dims[rank++] = keys.count;
    dims[rank++] = keys.width;
    return rank;
}

pkm_status pkm_store_config_check(const pkm_store_config *config)
{
    PKM_TRY(pkm_check_range("slots", config->slots, 1,
                            (int64_t)PKM_MEMORY_MAX_KEYS * PKM_MEMORY_MAX_KEYS));
    PKM_TRY(pkm_check_range("value_dim", config->value_dim, 1, PKM_MEMORY_MAX_WIDTH));
    if (config->train || config->dtype != PKM_I8)
        PKM_TRY(check_float_type("dtype", config->dtype));
    return pkm_check_range("optimizer", (int64_t)config->optimizer, PKM_VALUES_ADAM,
                           PKM_VALUES_ADAM_ROW);
}

pkm_status pkm_memory_options_check(const pkm_memory_options *options, bool store)
{
    PKM_TRY(pkm_check_range("max_tokens", options->max_tokens, 1, INT32_MAX));
    PKM_TRY(pkm_check_range("grad_accum", options->grad_accum, 1, INT32_MAX));
    PKM_TRY(check_float_type("precision", options->precision));
    PKM_TRY(check_not_negative("lr", options->lr));
    PKM_TRY(check_not_negative("key_lr", options->key_lr));
    PKM_TRY(check_not_negative("weight_decay", options->weight_decay));
    PKM_TRY(check_not_negative("clip", options->clip));
    if (store)
        return PKM_OK;
    PKM_TRY(check_not_negative("value_lr", options->value_lr));
    PKM_TRY(check_not_negative("value_clip", options->value_clip));
    PKM_TRY(check_float_type("value_dtype", options->value_dtype));
    return pkm_check_range("value_optimizer", (int64_t)options->value_optimizer, PKM_VALUES_ADAM,
                           PKM_VALUES_ADAM_ROW);
}
