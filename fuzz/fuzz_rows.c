/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure functions of pkm/memory.h (search, bag, bag's gradient, row optimiser) and the store,
 * with whatever sizes and ids. Sizes that could not be arrays of this program are given without
 * arrays: they must be refused. Ids that a search finds and a gradient touches are slots.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "fuzz.h"
#include "pkm/memory.h"

enum { FLOATS_MAX = 1 << 12 };

/* An array of a * b * c floats or ints with small contents, ending where its memory ends; NULL if
 * that is negative or too much. */
static void *array(int64_t a, int64_t b, int64_t c, bool integers, fuzz_input *in)
{
    int64_t dims[3] = {a, b, c};
    size_t count;
    float *out;

    if (!pkm_size_shape(dims, 3, 1, &count) || count > FLOATS_MAX)
        return NULL;
    out = malloc(count * sizeof *out + (count == 0));
    fuzz_check(out != NULL, "there is memory for a small array");
    for (size_t i = 0; i < count; i++) {
        int64_t value = i % 4 == 0 ? fuzz_size(in) : (int64_t)(i % 7);

        if (integers)
            ((int32_t *)(void *)out)[i] = (int32_t)value;
        else
            out[i] = (float)value - 3;
    }
    return out;
}

static void try_search(fuzz_input *in)
{
    pkm_search_config config = {.heads = fuzz_size(in),
                                .n_keys = fuzz_size(in),
                                .key_dim = fuzz_size(in),
                                .topk = fuzz_size(in),
                                .compute = (pkm_dtype)fuzz_up_to(in, 2),
                                .key_kind = (pkm_key_kind)fuzz_up_to(in, 2)};
    int64_t n_rows = fuzz_size(in);
    pkm_search *search;
    void *workspace = NULL;
    float *keys, *queries, *scores;
    int32_t *ids;

    if (!fuzz_ok(pkm_search_create(&search, &config)))
        return;
    keys =
        array(config.heads, config.n_keys * (config.key_kind == PKM_KEYS_FLAT ? config.n_keys : 1),
              config.key_dim, false, in);
    queries = array(n_rows, config.heads, config.key_dim, false, in);
    ids = array(n_rows, config.heads, config.topk, true, in);
    scores = array(n_rows, config.heads, config.topk, false, in);
    if (keys != NULL)
        pkm_search_pack(search, keys);
    if (keys != NULL && queries != NULL && ids != NULL && scores != NULL &&
        fuzz_must(pkm_alloc(&workspace, pkm_search_workspace(search), "a workspace")) &&
        fuzz_ok(pkm_search_run(search, ids, scores, queries, n_rows, workspace)))
        for (int64_t i = 0; i < n_rows * config.heads * config.topk; i++)
            fuzz_check(ids[i] >= 0 && ids[i] < config.n_keys * config.n_keys, "an id is a slot");
    pkm_free(workspace);
    pkm_search_destroy(search);
    free(keys);
    free(queries);
    free(ids);
    free(scores);
}

static void try_bag_backward(const pkm_bag *bag, const float *dy, fuzz_input *in)
{
    int64_t touched = pkm_min_i64(bag->n_rows * bag->hits, bag->slots);
    pkm_bag_grad grad = {
        .touched = array(touched, 1, 1, true, in),
        .values = array(touched, bag->value_dim, 1, false, in),
        .weights = fuzz_up_to(in, 1) != 0 ? array(bag->n_rows, bag->hits, 1, false, in) : NULL};
    void *workspace = NULL;

    if (grad.touched != NULL && grad.values != NULL &&
        fuzz_must(pkm_alloc(&workspace, pkm_bag_workspace(bag), "a workspace")) &&
        fuzz_ok(pkm_bag_backward(&grad, dy, bag, workspace)))
        for (int64_t i = 0; i < grad.n_touched; i++)
            fuzz_check(grad.touched[i] >= (i > 0 ? grad.touched[i - 1] + 1 : 0) &&
                           grad.touched[i] < bag->slots,
                       "touched slots ascend");
    pkm_free(workspace);
    free(grad.touched);
    free(grad.values);
    free(grad.weights);
}

static void try_bag(fuzz_input *in)
{
    pkm_bag bag = {.dtype = (pkm_dtype)fuzz_up_to(in, 2),
                   .slots = fuzz_size(in),
                   .value_dim = fuzz_size(in),
                   .n_rows = fuzz_size(in),
                   .hits = fuzz_size(in)};
    void *values = array(bag.slots, bag.value_dim, 1, false, in);
    void *ids = array(bag.n_rows, bag.hits, 1, true, in);
    void *weights = array(bag.n_rows, bag.hits, 1, false, in);
    float *y = array(bag.n_rows, bag.value_dim, 1, false, in);

    bag.values = values;
    bag.ids = ids;
    bag.weights = weights;
    if (values != NULL && ids != NULL && weights != NULL && y != NULL &&
        fuzz_ok(pkm_bag_forward(y, &bag)))
        try_bag_backward(&bag, y, in);
    free(values);
    free(ids);
    free(weights);
    free(y);
}

static void try_rows(fuzz_input *in)
{
    pkm_rows rows = {.dtype = (pkm_dtype)fuzz_up_to(in, 2),
                     .slots = fuzz_size(in),
                     .value_dim = fuzz_size(in),
                     .optimizer = (pkm_value_optimizer)fuzz_up_to(in, 4)};
    int64_t n_touched = fuzz_size(in), t = fuzz_size(in) - 1;
    float lr = (float)fuzz_size(in) / 16, scale = (float)fuzz_size(in);
    int32_t *touched = array(n_touched, 1, 1, true, in);
    float *gradient = array(n_touched, rows.value_dim, 1, false, in);

    rows.values = array(rows.slots, rows.value_dim, 1, false, in);
    rows.moment1 = array(rows.slots, rows.value_dim, 1, false, in);
    rows.moment2 = array(rows.slots, rows.value_dim, 1, false, in);
    rows.mean = array(rows.slots, rows.value_dim, 1, false, in);
    for (int64_t i = 0; touched != NULL && i < n_touched && fuzz_up_to(in, 7) != 0; i++)
        touched[i] = (int32_t)i;
    if (rows.values != NULL && touched != NULL && gradient != NULL)
        (void)fuzz_ok(pkm_rows_update(&rows, touched, gradient, n_touched, t, lr, scale));
    free(rows.values);
    free(rows.moment1);
    free(rows.moment2);
    free(rows.mean);
    free(touched);
    free(gradient);
}

static void try_store(fuzz_input *in)
{
    pkm_store_config config = {.slots = fuzz_size(in),
                               .value_dim = fuzz_size(in),
                               .dtype = (pkm_dtype)fuzz_up_to(in, 2),
                               .optimizer = (pkm_value_optimizer)fuzz_up_to(in, 4),
                               .train = fuzz_up_to(in, 1) != 0};
    pkm_store *store;
    double norm;

    if (!fuzz_ok(pkm_store_create(&store, &config)))
        return;
    pkm_store_init(store, fuzz_number(in, 8));
    if (fuzz_ok(pkm_store_grad_norm(store, &norm)))
        fuzz_check(norm == 0, "no gradient has no norm");
    (void)fuzz_ok(pkm_store_step(store, fuzz_size(in), (float)fuzz_size(in), NAN));
    (void)fuzz_ok(pkm_store_step(store, fuzz_size(in), (float)fuzz_size(in), 1));
    pkm_store_discard(store);
    pkm_store_destroy(store);
}

static void run(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};

    switch (fuzz_up_to(&in, 3)) {
    case 0:
        try_search(&in);
        break;
    case 1:
        try_bag(&in);
        break;
    case 2:
        try_rows(&in);
        break;
    default:
        try_store(&in);
    }
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 0, .constant = 16 << 20, .refuse = true};
