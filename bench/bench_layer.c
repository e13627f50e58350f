/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory layer on its own: forward, backward and step of the whole layer on random tokens, then
 * the stages that move its values, on hits drawn evenly over all slots (the worst case for caches).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"
#include "memory/memory_parts.h"
#include "memory/row_pass.h"
#include "timing.h"

typedef struct layer_values {
    int64_t tokens, dim, heads, n_keys, key_dim, topk, value_dim, runs;
    int query_norm, precision, value_dtype, value_optimizer;
} layer_values;

static const pkm_option rows[] = {
    {"tokens", PKM_OPTION_INT, offsetof(layer_values, tokens), 1, 1 << 20, "512", NULL, "tokens",
     NULL, "rows of the batch"},
    {"dim", PKM_OPTION_INT, offsetof(layer_values, dim), 1, 1 << 16, "256", NULL, "", NULL,
     "width of input and output"},
    {"heads", PKM_OPTION_INT, offsetof(layer_values, heads), 1, 1024, "4", NULL, "", NULL,
     "memory heads"},
    {"n_keys", PKM_OPTION_INT, offsetof(layer_values, n_keys), 1, 46340, "512", NULL, "", NULL,
     "sub-keys per half; the memory has n_keys^2 slots"},
    {"key_dim", PKM_OPTION_INT, offsetof(layer_values, key_dim), 2, 1 << 16, "128", NULL, "", NULL,
     "width of a query"},
    {"topk", PKM_OPTION_INT, offsetof(layer_values, topk), 1, 46340, "32", NULL, "slots", NULL,
     "read per head"},
    {"value_dim", PKM_OPTION_INT, offsetof(layer_values, value_dim), 0, 1 << 16, "0", NULL, "",
     NULL, "width of a value; 0: dim"},
    {"query_norm", PKM_OPTION_CHOICE, offsetof(layer_values, query_norm), 0, 0, "batch",
     "batch|layer|none", "", NULL, "norm of the queries"},
    {"precision", PKM_OPTION_CHOICE, offsetof(layer_values, precision), 0, 0, "bf16", "f32|bf16",
     "", NULL, "of the products"},
    {"value_dtype", PKM_OPTION_CHOICE, offsetof(layer_values, value_dtype), 0, 0, "f32", "f32|bf16",
     "", NULL, "of the values"},
    {"value_optimizer", PKM_OPTION_CHOICE, offsetof(layer_values, value_optimizer), 0, 0, "adam",
     "adam|adagrad|sgd", "", NULL, "of the values"},
    {"runs", PKM_OPTION_INT, offsetof(layer_values, runs), 1, 1000000, "20", NULL, "", NULL,
     "measured runs"},
};

typedef struct layer_bench {
    pkm_memory *memory;
    int64_t tokens, hits; /* hits: of a token */
    float *x, *y, *dx;    /* [tokens, dim] */
    int32_t *ids;         /* [tokens, hits] even over all slots */
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

/* A part of a run. */
typedef struct phase {
    const char *name;
    pkm_bench_body body;
    double bytes, flops;
} phase;

/* Runs the phases one after another, `runs` times, and tells the time of each. */
static pkm_status measure(const phase *phases, int n_phases, int64_t runs, layer_bench *bench,
                          pkm_bench_sink sink, void *user)
{
    double *seconds;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_alloc_array((void **)&seconds, pkm_size_product((size_t)n_phases, (size_t)runs),
                            sizeof *seconds, "timings"));
    for (int64_t run = -1; run < runs; run++) /* the first warms up */
        for (int i = 0; i < n_phases; i++) {
            uint64_t start = pkm_clock_ns();

            status = phases[i].body(bench);
            if (status != PKM_OK)
                goto done;
            if (run >= 0)
                seconds[i * runs + run] = (double)(pkm_clock_ns() - start) * 1e-9;
        }
    for (int i = 0; i < n_phases; i++) {
        pkm_bench_figure figure = {.name = phases[i].name,
                                   .items = (double)bench->tokens,
                                   .unit = "tokens",
                                   .bytes = phases[i].bytes,
                                   .flops = phases[i].flops};

        pkm_bench_summarise(&figure, seconds + i * runs, runs);
        sink(&figure, user);
    }
done:
    pkm_free(seconds);
    return status;
}

static pkm_status measure_layer(layer_bench *bench, int64_t runs, pkm_bench_sink sink, void *user)
{
    phase phases[] = {{.name = "layer forward", .body = forward},
                      {.name = "layer backward", .body = backward},
                      {.name = "layer step", .body = step}};

    for (int i = 0; i < 2; i++)
        pkm_memory_layer_cost(bench->memory->layer, bench->tokens, i == 1, &phases[i].flops,
                              &phases[i].bytes);
    return measure(phases, 3, runs, bench, sink, user);
}

static pkm_status measure_stages(layer_bench *bench, int64_t runs, pkm_bench_sink sink, void *user)
{
    const pkm_store_config *table = pkm_store_config_of(bench->memory->store);
    double hits = (double)(bench->tokens * bench->hits), width = (double)table->value_dim;
    double row = width * (double)pkm_dtype_bytes(table->dtype), distinct, moments = 0;
    pkm_store_moment moment[2];
    int n_moments = pkm_store_moments(bench->memory->store, moment);
    phase phases[] = {{.name = "rows read", .body = read_rows},
                      {.name = "hits grouped, gate dots", .body = record_hits},
                      {.name = "rows stepped", .body = step_rows}};

    for (int i = 0; i < n_moments; i++)
        moments += moment[i].n_dims == 1 ? sizeof(float) : width * sizeof(float);
    PKM_TRY(read_rows(bench));
    PKM_TRY(record_hits(bench));
    distinct = (double)pkm_store_touched(bench->memory->store);
    PKM_TRY(step_rows(bench));
    phases[0].bytes = hits * row;
    phases[1].bytes = distinct * row;
    phases[2].bytes = 2 * distinct * (row + moments);
    phases[0].flops = phases[1].flops = 2 * hits * width;
    return measure(phases, 3, runs, bench, sink, user);
}

static pkm_status allocate_floats(float **out, int64_t count)
{
    return pkm_alloc_array((void **)out, (size_t)count, sizeof(float), "a benchmark");
}

static pkm_status create(layer_bench *bench, const layer_values *values)
{
    const pkm_memory_config config = {
        .dim = values->dim,
        .heads = values->heads,
        .n_keys = values->n_keys,
        .key_dim = values->key_dim,
        .topk = values->topk,
        .value_dim = values->value_dim,
        .query_norm = (pkm_query_norm)values->query_norm,
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

static void fill(layer_bench *bench, const layer_values *values)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.layer")};
    uint32_t slots = (uint32_t)(values->n_keys * values->n_keys);

    pkm_rng_fill_normal(bench->x, bench->tokens * values->dim, &rng, 0, 1);
    for (int64_t i = 0; i < bench->tokens * bench->hits; i++) {
        bench->ids[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % slots);
        bench->weights[i] = 1.0f / (float)bench->hits;
    }
}

static void destroy(layer_bench *bench)
{
    pkm_memory_destroy(bench->memory);
    pkm_free(bench->x);
    pkm_free(bench->y);
    pkm_free(bench->dx);
    pkm_free(bench->ids);
    pkm_free(bench->weights);
    pkm_free(bench->dweights);
    pkm_free(bench->r);
}

static pkm_status run(const void *values, pkm_bench_sink sink, void *user)
{
    const layer_values *options = values;
    layer_bench bench = {0};
    pkm_status status = create(&bench, options);

    if (status == PKM_OK) {
        fill(&bench, options);
        status = measure_layer(&bench, options->runs, sink, user);
    }
    if (status == PKM_OK)
        status = measure_stages(&bench, options->runs, sink, user);
    destroy(&bench);
    return status;
}

const pkm_bench pkm_bench_layer = {
    .name = "layer",
    .options = {rows, (int)(sizeof rows / sizeof rows[0]), sizeof(layer_values)},
    .run = run,
};
