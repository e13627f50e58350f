/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory layer on its own: the stages that move its values, on hits drawn evenly over all slots
 * (the worst case for caches), and forward, backward and step of the whole layer on random tokens.
 * The ceilings walk the very rows that the stages read and step, in the same memory.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"
#include "memory/layer_parts.h"
#include "memory/memory_parts.h"
#include "memory/row_pass.h"
#include "peak.h"
#include "product.h"
#include "store_walk.h"

typedef struct layer_values {
    int64_t tokens, dim, heads, n_keys, key_dim, topk, value_dim, runs;
    int key_kind, query_norm, precision, value_dtype, value_optimizer;
} layer_values;

static const pkm_option rows[] = {
    {"tokens", PKM_OPTION_INT, offsetof(layer_values, tokens), 1, 1 << 20, "512", NULL, "tokens",
     NULL, "rows of the batch"},
    {"dim", PKM_OPTION_INT, offsetof(layer_values, dim), 1, 1 << 16, "256", NULL, NULL, NULL,
     "width of input and output"},
    {"heads", PKM_OPTION_INT, offsetof(layer_values, heads), 1, 1024, "4", NULL, NULL, NULL,
     "memory heads"},
    {"key_kind", PKM_OPTION_CHOICE, offsetof(layer_values, key_kind), 0, 0, "product",
     "product|flat", NULL, NULL, "sub-keys of the halves of a query, or a key for each slot"},
    {"n_keys", PKM_OPTION_INT, offsetof(layer_values, n_keys), 1, 46340, "512", NULL, NULL, NULL,
     "sub-keys per half; the memory has n_keys^2 slots"},
    {"key_dim", PKM_OPTION_INT, offsetof(layer_values, key_dim), 2, 1 << 16, "128", NULL, NULL,
     NULL, "width of a query"},
    {"topk", PKM_OPTION_INT, offsetof(layer_values, topk), 1, 1 << 24, "32", NULL, "slots", NULL,
     "read per head"},
    {"value_dim", PKM_OPTION_INT, offsetof(layer_values, value_dim), 0, 1 << 16, "0", NULL, NULL,
     NULL, "width of a value; 0: dim"},
    {"query_norm", PKM_OPTION_CHOICE, offsetof(layer_values, query_norm), 0, 0, "batch",
     "batch|layer|none", NULL, NULL, "norm of the queries"},
    {"precision", PKM_OPTION_CHOICE, offsetof(layer_values, precision), 0, 0, "bf16", "f32|bf16",
     NULL, NULL, "of the products"},
    {"value_dtype", PKM_OPTION_CHOICE, offsetof(layer_values, value_dtype), 0, 0, "f32", "f32|bf16",
     NULL, NULL, "of the values"},
    {"value_optimizer", PKM_OPTION_CHOICE, offsetof(layer_values, value_optimizer), 0, 0, "adam",
     "adam|adagrad|sgd|adam_row", NULL, NULL, "of the values"},
    {"runs", PKM_OPTION_INT, offsetof(layer_values, runs), 1, 1000000, "20", NULL, NULL, NULL,
     "measured runs"},
};

typedef struct layer_bench {
    const layer_values *values;
    pkm_memory *memory;
    int64_t tokens, hits; /* hits: of a token */
    float *x, *y, *dx;    /* [tokens, dim] */
    int32_t *ids;         /* [tokens, hits] even over all slots */
    int32_t *distinct;    /* [n_distinct] of them, ascending */
    int64_t n_distinct;
    int64_t layer_distinct; /* rows that the layer itself hits */
    float *weights, *dweights;
    float *r; /* [tokens, value_dim] result of a bag, and upstream rows */
    int64_t step;
} layer_bench;

static pkm_status forward(void *user)
{
    layer_bench *bench = user;

    return pkm_memory_forward(bench->memory, bench->y, bench->x, bench->tokens, NULL, true);
}

static pkm_status backward(void *user)
{
    layer_bench *bench = user;

    return pkm_memory_backward(bench->memory, bench->dx, bench->y);
}

static pkm_status step(void *user)
{
    return pkm_memory_step(((layer_bench *)user)->memory);
}

static pkm_status read_rows(void *user)
{
    layer_bench *bench = user;
    const pkm_store_config *table = pkm_store_config_of(bench->memory->store);
    pkm_bag bag = {.dtype = table->dtype,
                   .value_dim = table->value_dim,
                   .weights = bench->weights,
                   .n_rows = bench->tokens,
                   .hits = bench->hits};

    PKM_TRY(pkm_store_prepare(bench->memory->store, &bag.values, &bag.ids, bench->ids,
                              bench->tokens * bench->hits));
    pkm_pass_bag(bench->r, &bag);
    return PKM_OK;
}

static pkm_status record_hits(void *user)
{
    layer_bench *bench = user;

    return pkm_store_backward(bench->memory->store, bench->dweights, bench->ids, bench->weights,
                              bench->r, bench->tokens, bench->hits);
}

static pkm_status step_rows(void *user)
{
    layer_bench *bench = user;

    return pkm_store_step(bench->memory->store, ++bench->step, 1e-3f, 1);
}

/* The rows that the stages rewrite: all that are hit, in ascending order. */
static pkm_status list_distinct(layer_bench *bench)
{
    const pkm_store_config *table = pkm_store_config_of(bench->memory->store);
    unsigned char *hit;

    PKM_TRY(pkm_alloc_array((void **)&bench->distinct, (size_t)table->slots,
                            sizeof *bench->distinct, "rows hit"));
    PKM_TRY(pkm_alloc_array((void **)&hit, (size_t)table->slots, 1, "rows hit"));
    for (int64_t i = 0; i < bench->tokens * bench->hits; i++)
        hit[bench->ids[i]] = 1;
    for (int64_t row = 0; row < table->slots; row++)
        if (hit[row])
            bench->distinct[bench->n_distinct++] = (int32_t)row;
    pkm_free(hit);
    return PKM_OK;
}

/* The ceilings of everything here, and what the work asks of them. */
typedef struct layer_ceilings {
    int gather, rewrite, product, peak; /* tasks */
    double hit, stepped;  /* bytes of a row; of a row with its moments, read and written */
    double query, search; /* flops of the query's product, of the dot products with the keys */
} layer_ceilings;

static pkm_status add_walk(pkm_measure *measure, int *index, double *row_bytes, layer_bench *bench,
                           bool rewrite)
{
    const char *name = rewrite ? "the same rows, only rewritten" : "the same rows, only read";
    pkm_row_walk walk;

    PKM_TRY(pkm_store_walk(&walk, bench->memory->store, rewrite));
    walk.ids = rewrite ? bench->distinct : bench->ids;
    walk.n_ids = walk.slice = rewrite ? bench->n_distinct : bench->tokens * bench->hits;
    *row_bytes = pkm_row_walk_bytes(&walk);
    return pkm_row_probe_add(measure, index, name, &walk, 0);
}

static pkm_status add_work(pkm_measure *measure, int *index, layer_bench *bench, pkm_task task)
{
    task.user = bench;
    task.items = (double)bench->tokens;
    task.unit = "tokens";
    return pkm_measure_add(measure, index, &task);
}

static double upstream_bytes(const layer_bench *bench)
{
    return (double)(bench->tokens * pkm_store_config_of(bench->memory->store)->value_dim) *
           sizeof(float);
}

/* A row is read once forward for each of its hits, once backward, and rewritten with its moments;
 * upstream rows are read and recorded, and read again. */
static pkm_status add_stages(pkm_measure *measure, layer_ceilings *c, layer_bench *bench)
{
    double hits = (double)(bench->tokens * bench->hits), distinct = (double)bench->n_distinct;
    double upstream = upstream_bytes(bench);

    PKM_TRY(add_walk(measure, &c->gather, &c->hit, bench, false));
    PKM_TRY(add_work(
        measure, NULL, bench,
        (pkm_task){.name = "rows read", .body = read_rows, .parts = {{c->gather, hits * c->hit}}}));
    PKM_TRY(add_work(measure, NULL, bench,
                     (pkm_task){.name = "hits grouped, gate dots",
                                .body = record_hits,
                                .parts = {{c->gather, distinct * c->hit + 2 * upstream}}}));
    PKM_TRY(add_walk(measure, &c->rewrite, &c->stepped, bench, true));
    return add_work(measure, NULL, bench,
                    (pkm_task){.name = "rows stepped",
                               .body = step_rows,
                               .parts = {{c->rewrite, distinct * c->stepped + upstream}}});
}

static pkm_status add_compute(pkm_measure *measure, layer_ceilings *c, const layer_bench *bench)
{
    const layer_values *values = bench->values;
    const pkm_param *keys = bench->memory->layer->keys;
    const pkm_product_shape query = {.n_rows = values->tokens,
                                     .n_in = values->dim,
                                     .n_out = values->heads * values->key_dim,
                                     .layout = PKM_WEIGHT_OUT_IN,
                                     .compute = (pkm_dtype)values->precision};

    c->query = pkm_product_flops(&query);
    c->search = 2.0 * (double)values->tokens * (double)keys->count;
    PKM_TRY(pkm_peak_add(measure, &c->peak, query.compute, 0));
    return pkm_product_add(measure, &c->product, &query, PKM_PRODUCT_FORWARD, c->peak, 0);
}

/* The layer hits other rows than the stages: those that its search finds. */
static pkm_status add_layer(pkm_measure *measure, const layer_ceilings *c, layer_bench *bench)
{
    double hits = (double)(bench->tokens * bench->hits), distinct = (double)bench->layer_distinct;
    double upstream = upstream_bytes(bench);
    const pkm_floor_part query = {c->product, c->query}, search = {c->peak, c->search};
    const pkm_floor_part bag = {c->gather, hits * c->hit},
                         dots = {c->gather, distinct * c->hit + 2 * upstream};
    const pkm_floor_part update = {c->rewrite, distinct * c->stepped + upstream};
    const pkm_floor_part query_backward = {c->product, 2 * c->query};
    int first;

    PKM_TRY(add_work(
        measure, &first, bench,
        (pkm_task){.name = "layer forward", .body = forward, .parts = {query, search, bag}}));
    PKM_TRY(add_work(
        measure, NULL, bench,
        (pkm_task){.name = "layer backward", .body = backward, .parts = {query_backward, dots}}));
    PKM_TRY(add_work(measure, NULL, bench,
                     (pkm_task){.name = "layer step", .body = step, .parts = {update}}));
    return add_work(measure, NULL, bench,
                    (pkm_task){.name = "layer, all three",
                               .terms = {{first, 1}, {first + 1, 1}, {first + 2, 1}},
                               .parts = {{c->product, 3 * c->query}, search, bag, dots, update}});
}

static pkm_status add_tasks(pkm_measure *measure, void *user)
{
    layer_bench *bench = user;
    layer_ceilings ceilings;

    PKM_TRY(add_stages(measure, &ceilings, bench));
    PKM_TRY(add_compute(measure, &ceilings, bench));
    return add_layer(measure, &ceilings, bench);
}

static pkm_status allocate_floats(float **out, int64_t count)
{
    return pkm_alloc_array((void **)out, (size_t)count, sizeof(float), "a benchmark");
}

static pkm_status create(layer_bench *bench)
{
    const layer_values *values = bench->values;
    const pkm_memory_config config = {
        .dim = values->dim,
        .heads = values->heads,
        .n_keys = values->n_keys,
        .key_dim = values->key_dim,
        .topk = values->topk,
        .value_dim = values->value_dim,
        .query_norm = (pkm_query_norm)values->query_norm,
        .key_kind = (pkm_key_kind)values->key_kind,
    };
    int64_t value_dim = values->value_dim > 0 ? values->value_dim : values->dim;
    int64_t count = values->tokens * values->dim, hits = values->heads * values->topk;
    pkm_memory_options options;

    pkm_memory_options_init(&options);
    options.max_tokens = values->tokens;
    options.precision = (pkm_dtype)values->precision;
    options.value_dtype = (pkm_dtype)values->value_dtype;
    options.value_optimizer = (pkm_value_optimizer)values->value_optimizer;
    bench->tokens = values->tokens;
    bench->hits = hits;
    PKM_TRY(allocate_floats(&bench->x, count));
    PKM_TRY(allocate_floats(&bench->y, count));
    PKM_TRY(allocate_floats(&bench->dx, count));
    PKM_TRY(allocate_floats(&bench->weights, values->tokens * hits));
    PKM_TRY(allocate_floats(&bench->dweights, values->tokens * hits));
    PKM_TRY(allocate_floats(&bench->r, values->tokens * value_dim));
    PKM_TRY(pkm_alloc_array((void **)&bench->ids,
                            pkm_size_product((size_t)values->tokens, (size_t)hits),
                            sizeof *bench->ids, "a benchmark"));
    return pkm_memory_create(&bench->memory, &config, &options, NULL);
}

static pkm_status fill(layer_bench *bench)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.layer")};
    uint32_t slots = (uint32_t)(bench->values->n_keys * bench->values->n_keys);

    pkm_rng_fill_normal(bench->x, bench->tokens * bench->values->dim, &rng, 0, 1);
    for (int64_t i = 0; i < bench->tokens * bench->hits; i++) {
        bench->ids[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % slots);
        bench->weights[i] = 1.0f / (float)bench->hits;
    }
    return list_distinct(bench);
}

static void destroy(layer_bench *bench)
{
    pkm_memory_destroy(bench->memory);
    pkm_free(bench->x);
    pkm_free(bench->y);
    pkm_free(bench->dx);
    pkm_free(bench->ids);
    pkm_free(bench->distinct);
    pkm_free(bench->weights);
    pkm_free(bench->dweights);
    pkm_free(bench->r);
}

/* A run of the layer by itself, to see how many rows it hits. */
static pkm_status count_rows(layer_bench *bench)
{
    PKM_TRY(forward(bench));
    PKM_TRY(backward(bench));
    bench->layer_distinct = pkm_store_touched(bench->memory->store);
    return step(bench);
}

static pkm_status run(const void *values, pkm_bench_sink sink, void *user)
{
    layer_bench bench = {.values = values};
    pkm_status status = create(&bench);

    if (status == PKM_OK)
        status = fill(&bench);
    if (status == PKM_OK)
        status = count_rows(&bench);
    if (status == PKM_OK)
        status = pkm_measure_all(bench.values->runs, add_tasks, &bench, sink, user);
    destroy(&bench);
    return status;
}

const pkm_bench pkm_bench_layer = {
    .name = "layer",
    .options = {rows, (int)(sizeof rows / sizeof rows[0]), sizeof(layer_values)},
    .run = run,
};
