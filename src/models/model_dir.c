/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a model directory. config.json is in model_config.c, the way to a file in
 * model_path.c. */
#include "models/model_dir.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/system.h"
#include "memory/memory_config.h"
#include "params/finite.h"

static const char weights_name[] = "model.safetensors";

/* ---- saving ---- */

static void describe(pkm_st_entry *out, const pkm_param *param)
{
    *out = (pkm_st_entry){.name = param->spec.name,
                          .dtype = param->dtype,
                          .n_dims = param->spec.n_dims,
                          .data = param->data};
    memcpy(out->dims, param->spec.dims, (size_t)param->spec.n_dims * sizeof out->dims[0]);
}

pkm_status pkm_model_dir_save_weights(const char *dir, const pkm_gpt *gpt, int64_t step)
{
    int count = pkm_params_count(gpt->params);
    char step_text[32];
    const char *const metadata[][2] = {{"pkm_version", PKM_VERSION}, {"pkm_step", step_text}};
    pkm_st_entry *entries;
    char *path = NULL;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&entries, (size_t)count, sizeof *entries, "tensors to save"));
    for (int i = 0; i < count; i++)
        describe(&entries[i], pkm_params_at(gpt->params, i));
    snprintf(step_text, sizeof step_text, "%" PRId64, step);
    status = pkm_path_join(&path, dir, weights_name);
    if (status == PKM_OK)
        status = pkm_st_write(path, entries, count, metadata, 2);
    pkm_free(path);
    pkm_free(entries);
    return status;
}

/* ---- loading ---- */

static const char lm_prefix[] = "transformer.";

/* GPT2LMHeadModel writes "transformer.wte.weight", GPT2Model "wte.weight". */
static const char *prefix_of(const pkm_st_reader *reader)
{
    return pkm_st_find(reader, "transformer.wte.weight") != NULL ? lm_prefix : "";
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text), end_bytes = strlen(end);

    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

/* Tensors that GPT-2 files carry and nobody needs: causal masks, and the head, which is wte. */
static bool is_buffer(const char *name)
{
    return ends_with(name, ".attn.bias") || ends_with(name, ".attn.masked_bias") ||
           strcmp(name, "lm_head.weight") == 0;
}

static const char *file_name(char *out, size_t bytes, const pkm_st_reader *reader, const char *name)
{
    snprintf(out, bytes, "%s%s", prefix_of(reader), name);
    return out;
}

static pkm_status check_known(const pkm_gpt *gpt, const pkm_st_reader *reader)
{
    const char *prefix = prefix_of(reader);
    size_t prefix_bytes = strlen(prefix);

    for (int64_t i = 0; i < pkm_st_count(reader); i++) {
        const char *name = pkm_st_at(reader, i)->name;

        if (is_buffer(name))
            continue;
        if (strncmp(name, prefix, prefix_bytes) != 0 ||
            pkm_params_find(gpt->params, name + prefix_bytes) == NULL)
            return pkm_fail(PKM_ERR_FORMAT, "%s: tensor '%s' belongs to no part of the model",
                            pkm_st_path(reader), name);
    }
    return PKM_OK;
}

static pkm_status check_shapes(const pkm_gpt *gpt, const pkm_st_reader *reader)
{
    char name[PKM_PARAM_NAME + sizeof lm_prefix];
    const pkm_st_tensor *unused;

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param_spec *spec = &pkm_params_at(gpt->params, i)->spec;

        PKM_TRY(pkm_st_check(reader, file_name(name, sizeof name, reader, spec->name), &unused,
                             spec->n_dims, spec->dims));
    }
    return check_known(gpt, reader);
}

/* A scale of 0 or less, or one that is infinite times 127, is none that quantising gives. */
static pkm_status check_scales(const pkm_param *scales, const char *path)
{
    const float *scale = scales->data;

    for (int64_t i = 0; i < scales->count; i++)
        if (!(scale[i] > 0 && scale[i] <= FLT_MAX / PKM_I8_MAX))
            return pkm_fail(
                PKM_ERR_NUMERIC,
                "%s: tensor '%s' holds %g at element %lld: expected a scale, above 0 and "
                "finite times %d",
                path, scales->spec.name, (double)scale[i], (long long)i, PKM_I8_MAX);
    return PKM_OK;
}

/* A NaN would spread over all that is computed with it. Tables that are read where they lie are not
 * looked through: they may be larger than memory, and a NaN in them is seen when it is read. */
static pkm_status copy_tensors(pkm_gpt *gpt, const pkm_st_reader *reader)
{
    char name[PKM_PARAM_NAME + sizeof lm_prefix];

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        pkm_param *param = pkm_params_at(gpt->params, i);
        const pkm_param_spec *spec = &param->spec;

        file_name(name, sizeof name, reader, spec->name);
        if (pkm_st_find(reader, name)->data == param->data)
            continue; /* a table that is read where it lies */
        PKM_TRY(pkm_st_copy(reader, name, param->data, param->dtype, spec->n_dims, spec->dims));
        PKM_TRY(
            pkm_finite_check(param->data, param->dtype, param->count, pkm_st_path(reader), name));
        pkm_param_changed(param);
    }
    for (int i = 0; i < pkm_params_count(gpt->params); i++)
        if (pkm_params_at(gpt->params, i)->scales != NULL)
            PKM_TRY(check_scales(pkm_params_at(gpt->params, i)->scales, pkm_st_path(reader)));
    return PKM_OK;
}

/* After weights could not be opened: says what to do if they are there in a form that is not read,
 * else lets the message stand. */
static pkm_status explain(const char *dir)
{
    static const char *const others[][2] = {
        {"pytorch_model.bin", "a pickle can run code and is never read"},
        {"model.safetensors.index.json", "weights in several files are not read"}};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char *path;
        bool found;

        PKM_TRY(pkm_model_dir_path(&path, dir, others[i][0]));
        found = pkm_file_exists(path);
        if (found)
            pkm_fail(PKM_ERR_UNSUPPORTED,
                     "%s: %s: save the model as one %s (with transformers: save_pretrained and a "
                     "max_shard_size above its size)",
                     path, others[i][1], weights_name);
        pkm_free(path);
        if (found)
            return PKM_ERR_UNSUPPORTED;
    }
    return PKM_ERR_IO;
}

static pkm_status open_weights(pkm_st_reader **out, const char *dir, pkm_st_mode mode)
{
    char *path;
    pkm_status status;

    PKM_TRY(pkm_model_dir_path(&path, dir, weights_name));
    status = pkm_st_open(out, path, mode);
    pkm_free(path);
    return status == PKM_ERR_IO ? explain(dir) : status;
}

pkm_status pkm_model_dir_load_weights(pkm_gpt *gpt, const char *dir, bool no_mmap)
{
    pkm_st_reader *reader;
    pkm_status status;

    PKM_TRY(open_weights(&reader, dir, no_mmap ? PKM_ST_READ : PKM_ST_MAP));
    status = check_shapes(gpt, reader);
    if (status == PKM_OK)
        status = copy_tensors(gpt, reader);
    pkm_st_close(reader);
    return status;
}

/* Where a table lies in the file if it can be used there: of the store's dtype, and aligned. */
static pkm_status find_table(const void **out, const pkm_gpt_config *config, int store,
                             const pkm_st_reader *reader)
{
    const pkm_memory_config *memory = &config->memory;
    static const char *const dtypes[] = {"F32", "BF16", "I8"};
    char name[PKM_PARAM_NAME + sizeof lm_prefix];
    const pkm_st_tensor *tensor;
    pkm_gpt_name stem;

    file_name(name, sizeof name, reader, pkm_gpt_values_name(&stem, store));
    PKM_TRY(pkm_st_check(reader, name, &tensor, 2,
                         (int64_t[]){pkm_memory_slots(memory), memory->value_dim}));
    if (strcmp(tensor->dtype, dtypes[config->value_dtype]) == 0 &&
        (uintptr_t)tensor->data % pkm_dtype_bytes(config->value_dtype) == 0)
        *out = tensor->data;
    return PKM_OK;
}

/* A memory layer makes room for packed keys when it is declared: they have to be in the file. */
static pkm_status check_keys(const pkm_gpt_config *config, int64_t layer,
                             const pkm_st_reader *reader)
{
    const pkm_memory_config *memory = &config->memory;
    char name[PKM_PARAM_NAME + sizeof lm_prefix];
    const pkm_st_tensor *unused;
    int64_t dims[4];
    int n_dims = pkm_memory_key_dims(memory, dims);
    pkm_gpt_name stem;

    file_name(name, sizeof name, reader, pkm_gpt_block_name(&stem, layer, "pkm.keys"));
    return pkm_st_check(reader, name, &unused, n_dims, dims);
}

/* Every block has one of these: so many as the config says, or it is not declared. */
static pkm_status check_blocks(const pkm_gpt_config *config, const pkm_st_reader *reader)
{
    char name[PKM_PARAM_NAME + sizeof lm_prefix];
    const pkm_st_tensor *unused;
    pkm_gpt_name stem;

    for (int64_t layer = 0; layer < config->layers; layer++) {
        file_name(name, sizeof name, reader, pkm_gpt_block_name(&stem, layer, "ln_1.weight"));
        PKM_TRY(pkm_st_check(reader, name, &unused, 1, &config->dim));
    }
    return PKM_OK;
}

/* Shapes are compared before memory is taken: a config that lies costs nothing. */
static pkm_status declare_checked(pkm_gpt **out, const pkm_gpt_config *config,
                                  const pkm_st_reader *reader)
{
    const void *tables[PKM_LIST_MAX] = {NULL};
    pkm_gpt *gpt;
    pkm_status status;

    PKM_TRY(check_blocks(config, reader));
    for (int i = 0; i < pkm_gpt_n_stores(config); i++)
        PKM_TRY(find_table(&tables[i], config, i, reader));
    for (int i = 0; i < config->memory_layers.count; i++)
        PKM_TRY(check_keys(config, config->memory_layers.value[i], reader));
    PKM_TRY(pkm_gpt_declare(&gpt, config, false, tables));
    status = check_shapes(gpt, reader);
    if (status != PKM_OK) {
        pkm_gpt_destroy(gpt);
        return status;
    }
    *out = gpt;
    return PKM_OK;
}

/* Config (precision: -1, or the one to compute in), weights, and the model they make, unfilled. */
static pkm_status open_declared(pkm_gpt **out, pkm_st_reader **weights, const char *dir,
                                int precision, pkm_st_mode mode)
{
    pkm_gpt_config config;
    pkm_st_reader *reader;
    pkm_status status;

    PKM_TRY(pkm_model_dir_load_config(&config, dir));
    if (precision >= 0)
        config.compute = (pkm_dtype)precision;
    PKM_TRY(open_weights(&reader, dir, mode));
    status = declare_checked(out, &config, reader);
    if (status != PKM_OK) {
        pkm_st_close(reader);
        return status;
    }
    *weights = reader;
    return PKM_OK;
}

static pkm_status check_memory(const pkm_gpt *gpt, const char *path)
{
    size_t bytes;

    PKM_TRY(pkm_gpt_needs(gpt, &bytes));
    return pkm_memory_check(bytes, path, "a machine with more of it can load the model");
}

pkm_status pkm_model_dir_describe(pkm_gpt **out, pkm_st_reader **weights, const char *dir)
{
    return open_declared(out, weights, dir, -1, PKM_ST_HEADER);
}

pkm_status pkm_model_dir_open(pkm_gpt **out, pkm_st_reader **weights, const char *dir,
                              int precision, bool no_mmap)
{
    pkm_st_reader *reader;
    pkm_gpt *gpt;
    pkm_status status;

    PKM_TRY(open_declared(&gpt, &reader, dir, precision, no_mmap ? PKM_ST_READ : PKM_ST_MAP));
    status = check_memory(gpt, pkm_st_path(reader));
    if (status == PKM_OK)
        status = pkm_gpt_allocate(gpt);
    if (status == PKM_OK)
        status = copy_tensors(gpt, reader);
    if (status != PKM_OK) {
        pkm_gpt_destroy(gpt);
        pkm_st_close(reader);
        return status;
    }
    *out = gpt;
    *weights = reader;
    return PKM_OK;
}
