/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer in one safetensors file: its tensors under their names, with train also the optimiser's
 * moments as "<tensor>.exp_avg", "<tensor>.exp_avg_sq" (Adagrad: "values.sum"). In __metadata__:
 * pkm_format, pkm_step (optimiser steps done) and pkm_memory, the config in words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "format/safetensors.h"
#include "memory/memory_parts.h"
#include "params/finite.h"

static const char format_version[] = "memory 1";

enum { MAX_ENTRIES = 3 * (PKM_MEMORY_PARAMS + 3) };

/* Pointers into the layer's own memory: to be written out, or to be filled. */
typedef struct file_list {
    pkm_st_entry entries[MAX_ENTRIES];
    char names[MAX_ENTRIES][PKM_PARAM_NAME + 16];
    int64_t count;
} file_list;

static void add(file_list *list, const char *suffix, pkm_dtype dtype, int n_dims,
                const int64_t *dims, void *data, const char *tensor)
{
    pkm_st_entry *entry = &list->entries[list->count];
    char *name = list->names[list->count++];

    snprintf(name, sizeof list->names[0], "%s%s", tensor, suffix);
    *entry = (pkm_st_entry){.name = name, .dtype = dtype, .n_dims = n_dims, .data = data};
    memcpy(entry->dims, dims, (size_t)n_dims * sizeof *dims);
}

static void list_tensors(file_list *list, const pkm_memory *memory)
{
    pkm_store_moment moments[2];
    int n_moments = pkm_store_moments(memory->store, moments);

    list->count = 0;
    for (int i = 0; i < pkm_params_count(memory->params); i++) {
        const pkm_param *param = pkm_params_at(memory->params, i);
        const pkm_param_spec *spec = &param->spec;

        add(list, "", param->dtype, spec->n_dims, spec->dims, param->data, spec->name);
        if (param->moment1 == NULL)
            continue;
        add(list, ".exp_avg", PKM_F32, spec->n_dims, spec->dims, param->moment1, spec->name);
        add(list, ".exp_avg_sq", PKM_F32, spec->n_dims, spec->dims, param->moment2, spec->name);
    }
    for (int i = 0; i < n_moments && memory->options.train; i++) {
        char suffix[24];

        snprintf(suffix, sizeof suffix, ".%s", moments[i].suffix);
        add(list, suffix, moments[i].dtype, moments[i].n_dims, moments[i].dims, moments[i].data,
            "values");
    }
}

static void config_text(char *out, size_t bytes, const pkm_memory *memory)
{
    const pkm_memory_config *c = pkm_memory_layer_config(memory->layer);
    static const char *const norms[] = {"batch", "layer", "none"};
    static const char *const gates[] = {"softmax", "relu", "raw"};
    static const char *const output_gates[] = {"none", "swilu"};

    snprintf(out, bytes,
             "dim %lld heads %lld n_keys %lld key_dim %lld topk %lld value_dim %lld query_norm %s "
             "gate %s output_gate %s%s",
             (long long)c->dim, (long long)c->heads, (long long)c->n_keys, (long long)c->key_dim,
             (long long)c->topk, (long long)c->value_dim, norms[c->query_norm], gates[c->gate],
             output_gates[c->output_gate], c->key_kind == PKM_KEYS_FLAT ? " key_kind flat" : "");
}

pkm_status pkm_memory_save(const pkm_memory *memory, const char *path)
{
    char step[24], config[512];
    const char *const metadata[][2] = {
        {"pkm_format", format_version}, {"pkm_step", step}, {"pkm_memory", config}};
    file_list list;

    list_tensors(&list, memory);
    snprintf(step, sizeof step, "%lld", (long long)memory->step);
    config_text(config, sizeof config, memory);
    return pkm_st_write(path, list.entries, list.count, metadata, 3);
}

/* A metadata text, which must be there. */
static pkm_status metadata_text(const pkm_st_reader *reader, const char **out, const char *key,
                                const char *path)
{
    *out = pkm_st_metadata(reader, key);
    if (*out == NULL)
        return pkm_fail(PKM_ERR_FORMAT, "%s: __metadata__ lacks %s", path, key);
    return PKM_OK;
}

static pkm_status check_text(const pkm_st_reader *reader, const char *key, const char *expected,
                             const char *path)
{
    const char *text;

    PKM_TRY(metadata_text(reader, &text, key, path));
    if (strcmp(text, expected) != 0)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %s is '%.300s': expected '%s'", path, key, text,
                        expected);
    return PKM_OK;
}

static pkm_status read_step(const pkm_st_reader *reader, int64_t *out, const char *path)
{
    const char *text;
    char *end;
    long long step;

    PKM_TRY(metadata_text(reader, &text, "pkm_step", path));
    errno = 0;
    step = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || step < 0 || step >= UINT32_MAX)
        return pkm_fail(PKM_ERR_FORMAT, "%s: pkm_step is '%.40s': expected 0 to %lld", path, text,
                        (long long)UINT32_MAX - 1);
    *out = step;
    return PKM_OK;
}

static pkm_status read_all(pkm_memory *memory, const pkm_st_reader *reader, const char *path)
{
    char config[512];
    file_list list;
    int64_t step;

    config_text(config, sizeof config, memory);
    PKM_TRY(check_text(reader, "pkm_format", format_version, path));
    PKM_TRY(check_text(reader, "pkm_memory", config, path));
    PKM_TRY(read_step(reader, &step, path));
    list_tensors(&list, memory);
    for (int64_t i = 0; i < list.count; i++) {
        const pkm_st_entry *entry = &list.entries[i];
        size_t count;

        PKM_TRY(pkm_st_copy(reader, entry->name, (void *)entry->data, entry->dtype, entry->n_dims,
                            entry->dims));
        if (pkm_size_shape(entry->dims, entry->n_dims, 1, &count))
            PKM_TRY(pkm_finite_check(entry->data, entry->dtype, (int64_t)count, path, entry->name));
    }
    for (int i = 0; i < pkm_params_count(memory->params); i++)
        pkm_param_changed(pkm_params_at(memory->params, i));
    memory->step = step;
    memory->n_backward = 0;
    memory->trained = false;
    pkm_key_reads_clear(pkm_memory_layer_reads(memory->layer));
    if (memory->owns_store) {
        pkm_slot_reads_clear(pkm_store_reads(memory->store));
        pkm_store_discard(memory->store);
    }
    return PKM_OK;
}

pkm_status pkm_memory_load(pkm_memory *memory, const char *path)
{
    pkm_st_reader *reader;
    pkm_status status;

    PKM_TRY(pkm_st_open(&reader, path, PKM_ST_MAP));
    status = read_all(memory, reader, path);
    pkm_st_close(reader);
    return status;
}
