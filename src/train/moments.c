/* SPDX-License-Identifier: Apache-2.0 */
#include "train/moments.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "format/safetensors.h"
#include "memory/memory_config.h"
#include "params/finite.h"

/* Two moments for each dense tensor and at most two for each store; then what reviving goes by, a
 * tensor for each memory and each store. */
typedef struct moment_list {
    pkm_st_entry *entries;
    char (*names)[PKM_PARAM_NAME + 16];
    int64_t count;
    int64_t n_moments; /* of those */
} moment_list;

static void add(moment_list *list, const char *tensor, const char *suffix, pkm_dtype dtype,
                int n_dims, const int64_t *dims, const void *data)
{
    pkm_st_entry *entry = &list->entries[list->count];
    char *name = list->names[list->count];

    snprintf(name, sizeof list->names[0], "%s.%s", tensor, suffix);
    *entry = (pkm_st_entry){.name = name, .dtype = dtype, .n_dims = n_dims, .data = data};
    memcpy(entry->dims, dims, (size_t)n_dims * sizeof *dims);
    list->count++;
}

static void list_release(moment_list *list)
{
    pkm_free(list->entries);
    pkm_free(list->names);
}

static void add_reads(moment_list *list, const pkm_gpt *gpt)
{
    int64_t keys[4];
    int n_dims = pkm_memory_key_dims(&gpt->config.memory, keys) - 1; /* a number for each key */

    for (int i = 0; i < gpt->n_memories; i++)
        if (pkm_memory_layer_reads(gpt->memories[i])->window != NULL)
            add(list, pkm_memory_layer_keys_name(gpt->memories[i]), "reads", PKM_F32, n_dims, keys,
                pkm_memory_layer_reads(gpt->memories[i])->window);
    for (int i = 0; i < gpt->n_stores; i++)
        if (pkm_store_reads(gpt->stores[i])->window != NULL)
            add(list, pkm_store_name(gpt->stores[i]), "reads", PKM_F32, 1,
                &pkm_store_config_of(gpt->stores[i])->slots,
                pkm_store_reads(gpt->stores[i])->window);
}

/* The moments in the order of the parameter table, those of stores after them. */
static pkm_status list_make(moment_list *out, const pkm_gpt *gpt)
{
    size_t most = 2 * (size_t)(pkm_params_count(gpt->params) + gpt->n_stores) +
                  (size_t)gpt->n_memories + (size_t)gpt->n_stores;
    moment_list list = {0};
    pkm_status status;

    status = pkm_alloc_array((void **)&list.entries, most, sizeof *list.entries, "moments");
    if (status == PKM_OK)
        status = pkm_alloc_array((void **)&list.names, most, sizeof *list.names, "moments");
    if (status != PKM_OK) {
        list_release(&list);
        return status;
    }
    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);
        const pkm_param_spec *spec = &param->spec;

        if (spec->role != PKM_PARAM_DENSE)
            continue;
        add(&list, spec->name, "exp_avg", PKM_F32, spec->n_dims, spec->dims, param->moment1);
        add(&list, spec->name, "exp_avg_sq", PKM_F32, spec->n_dims, spec->dims, param->moment2);
    }
    for (int i = 0; i < gpt->n_stores; i++) {
        pkm_store_moment moments[2];
        int n_moments = pkm_store_moments(gpt->stores[i], moments);
        char tensor[32];

        snprintf(tensor, sizeof tensor, "pkm.values.%d", i);
        for (int m = 0; m < n_moments; m++)
            add(&list, tensor, moments[m].suffix, moments[m].dtype, moments[m].n_dims,
                moments[m].dims, moments[m].data);
    }
    list.n_moments = list.count;
    add_reads(&list, gpt);
    *out = list;
    return PKM_OK;
}

static int64_t elements(const pkm_st_entry *entry)
{
    int64_t count = 1;

    for (int i = 0; i < entry->n_dims; i++)
        count *= entry->dims[i];
    return count;
}

pkm_status pkm_moments_save(const char *dir, const pkm_gpt *gpt)
{
    moment_list list;
    char *path;
    pkm_status status;

    PKM_TRY(list_make(&list, gpt));
    status = pkm_path_join(&path, dir, "optim.safetensors");
    if (status == PKM_OK) {
        status = pkm_st_write(path, list.entries, list.count, NULL, 0);
        pkm_free(path);
    }
    list_release(&list);
    return status;
}

static void clear(const pkm_st_entry *entry)
{
    memset((void *)entry->data, 0, (size_t)elements(entry) * pkm_dtype_bytes(entry->dtype));
}

/* Fills the model, into whose memory the list points. Of a run that did not revive before, a window
 * begins now; one that no longer does needs none. */
static pkm_status read_list(const moment_list *list, const pkm_gpt *gpt,
                            const pkm_st_reader *reader)
{
    const char *path = pkm_st_path(reader);
    int64_t found = pkm_st_count(reader);
    bool with_reads = found == list->n_moments + gpt->n_memories + gpt->n_stores;

    if (found != list->n_moments && !with_reads)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %lld tensors, this model trains with %lld", path,
                        (long long)found, (long long)list->n_moments);
    for (int64_t i = 0; i < list->count; i++) {
        const pkm_st_entry *entry = &list->entries[i];

        if (i >= list->n_moments && !with_reads) {
            clear(entry);
            continue;
        }
        PKM_TRY(pkm_st_copy(reader, entry->name, (void *)entry->data, entry->dtype, entry->n_dims,
                            entry->dims));
        PKM_TRY(pkm_finite_check(entry->data, entry->dtype, elements(entry), path, entry->name));
    }
    return PKM_OK;
}

pkm_status pkm_moments_load(pkm_gpt *gpt, const char *dir)
{
    moment_list list;
    char *path;
    pkm_st_reader *reader = NULL;
    pkm_status status;

    PKM_TRY(list_make(&list, gpt));
    status = pkm_path_join(&path, dir, "optim.safetensors");
    if (status == PKM_OK) {
        status = pkm_st_open(&reader, path, PKM_ST_MAP);
        if (status == PKM_OK)
            status = read_list(&list, gpt, reader);
        pkm_st_close(reader);
        pkm_free(path);
    }
    list_release(&list);
    return status;
}

pkm_status pkm_moments_clear(pkm_gpt *gpt)
{
    moment_list list;

    PKM_TRY(list_make(&list, gpt));
    for (int64_t i = 0; i < list.count; i++)
        clear(&list.entries[i]);
    list_release(&list);
    return PKM_OK;
}

pkm_status pkm_moments_check(const pkm_gpt *gpt)
{
    moment_list list;
    pkm_status status;

    PKM_TRY(list_make(&list, gpt));
    status = PKM_OK;
    for (int64_t i = 0; i < list.count && status == PKM_OK; i++) {
        const pkm_st_entry *entry = &list.entries[i];
        int64_t count = elements(entry);
        int64_t at = pkm_first_not_finite(entry->data, entry->dtype, count);

        if (at < count)
            status = pkm_fail(PKM_ERR_NUMERIC,
                              "moment '%s' holds a NaN or an infinity at element %lld of %lld",
                              entry->name, (long long)at, (long long)count);
    }
    list_release(&list);
    return status;
}
