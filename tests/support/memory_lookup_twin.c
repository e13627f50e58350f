/* SPDX-License-Identifier: Apache-2.0 */
#include "support/memory_lookup_twin.h"

#include <stdlib.h>

#include "memory/layer.h"
#include "ops/ops.h"
#include "support/check.h"
#include "support/memory_twin.h"

/* Backward runs of one test: their hits all wait in the store. */
enum { MAX_RUNS = 8 };

typedef struct memory_parts {
    pkm_store *store;
    pkm_memory_layer *layer;
    memory_twin twin;
} memory_parts;

/* The values, which no gradient of the tape belongs to. */
static void declare_values(memory_parts *parts, twin *t, int64_t count)
{
    twin_tensor *values = &parts->twin.tensors[parts->twin.n_tensors++];
    const void *base;
    const int32_t *ids;

    *values = (twin_tensor){"values", count, malloc((size_t)count * sizeof(double))};
    assert_non_null(values->data);
    pkm_store_init(parts->store, 3);
    check_ok(pkm_store_prepare(parts->store, &base, &ids, NULL, 0));
    for (int64_t i = 0; i < count; i++)
        values->data[i] = (double)((const float *)base)[i];
    check_ok(pkm_store_reserve(parts->store, MAX_RUNS * t->shape->n_rows,
                               parts->twin.config.heads * parts->twin.config.topk));
}

void memory_lookup_declare(twin *t)
{
    const int64_t *size = t->shape->size;
    memory_parts *parts = calloc(1, sizeof *parts);
    pkm_memory_config *config = &parts->twin.config;
    pkm_store_config table = {.slots = size[2] * size[2], .value_dim = size[5], .train = true};
    pkm_memory_lookup_attr attr;

    assert_non_null(parts);
    *config = (pkm_memory_config){.dim = size[0],
                                  .heads = size[1],
                                  .n_keys = size[2],
                                  .key_dim = size[3],
                                  .topk = size[4],
                                  .value_dim = size[5],
                                  .query_norm = PKM_NORM_NONE};
    check_ok(pkm_store_create(&parts->store, &table));
    check_ok(
        pkm_memory_layer_create(&parts->layer, t->params, parts->store, "", config, t->compute));
    twin_input(t, "x", t->compute, size[0], 1);
    t->n_param = pkm_memory_layer_params(parts->layer, t->param);
    for (int i = 0; i < t->n_param; i++) {
        const pkm_param *param = t->param[i];

        t->param_value[i] = twin_draw(param->count, 0.5, param->spec.name);
        parts->twin.tensors[i] = (twin_tensor){param->spec.name, param->count, t->param_value[i]};
    }
    parts->twin.n_tensors = t->n_param;
    declare_values(parts, t, table.slots * table.value_dim);
    attr.layer = parts->layer;
    twin_attr(t, &attr, sizeof attr);
    t->extra = parts;
}

void memory_lookup_forward(const twin *t, double *out)
{
    memory_parts *parts = t->extra;

    memory_twin_forward(&parts->twin, out, t->in_value[0], t->n_rows, NULL, true);
}

void memory_lookup_release(twin *t)
{
    memory_parts *parts = t->extra;

    free(memory_twin_find(&parts->twin, "values")->data);
    pkm_memory_layer_destroy(parts->layer);
    pkm_store_destroy(parts->store);
    free(parts);
}
