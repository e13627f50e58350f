/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search alone, by product keys or flat ones, on normal keys and queries: the whole, its dot
 * products with the selection left out, what the selection adds to them, and laying out the keys
 * anew after a training step. What bounds the dot products is the peak of the processor's
 * multiply-adds, or how fast the scores can be written to a cache, each number once.
 */
#include "memory/search.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/threads.h"
#include "memory/memory_config.h"
#include "peak.h"
#include "row_table.h"

typedef struct search_values {
    int64_t tokens, heads, n_keys, key_dim, topk, runs;
    int precision, key_kind;
} search_values;

#define AT(field) offsetof(search_values, field)

static const pkm_option rows[] = {
    {"tokens", PKM_OPTION_INT, AT(tokens), 1, 1 << 20, "512", NULL, "tokens", NULL,
     "rows of the batch"},
    {"heads", PKM_OPTION_INT, AT(heads), 1, 1024, "4", NULL, NULL, NULL, "memory heads"},
    {"key_kind", PKM_OPTION_CHOICE, AT(key_kind), 0, 0, "product", "product|flat", NULL, NULL,
     "sub-keys of the halves of a query, or a key for each slot"},
    {"n_keys", PKM_OPTION_INT, AT(n_keys), 1, 46340, "512", NULL, NULL, NULL,
     "sub-keys per half; the memory has n_keys^2 slots"},
    {"key_dim", PKM_OPTION_INT, AT(key_dim), 2, 1 << 16, "128", NULL, NULL, NULL,
     "width of a query"},
    {"topk", PKM_OPTION_INT, AT(topk), 1, 1 << 24, "32", NULL, "slots", NULL, "read per head"},
    {"precision", PKM_OPTION_CHOICE, AT(precision), 0, 0, "bf16", "f32|bf16", NULL, NULL,
     "of the products"},
    {"runs", PKM_OPTION_INT, AT(runs), 1, 1000000, "50", NULL, NULL, NULL, "measured runs"},
};

/* Scores that a thread has in its cache: of so many queries, as the search takes at a time, or,
 * flat, of a block of them with a block of keys. */
enum { CACHED_QUERIES = 32, CACHED_FLAT = 192 * 256, CACHED_VISITS = 32, ROW_BYTES = 1024 };

typedef struct search_bench {
    const search_values *values;
    pkm_search *whole, *dots; /* dots: without selection */
    float *keys;              /* [H, 2, n, d_k/2] or [H, n^2, d_k] */
    float *queries;           /* [tokens, H, d_k] */
    int32_t *ids;             /* [tokens, H, k] */
    float *scores;            /* [tokens, H, k] */
    void *workspace;
    pkm_row_table cached;
} search_bench;

static pkm_status search(search_bench *bench, const pkm_search *by)
{
    return pkm_search_run(by, bench->ids, bench->scores, bench->queries, bench->values->tokens,
                          bench->workspace);
}

static pkm_status search_whole(void *user)
{
    return search(user, ((search_bench *)user)->whole);
}

static pkm_status search_dots(void *user)
{
    return search(user, ((search_bench *)user)->dots);
}

static pkm_status pack(void *user)
{
    search_bench *bench = user;

    pkm_search_pack(bench->whole, bench->keys);
    return PKM_OK;
}

static bool select_nothing(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                           int64_t n_rows, int64_t out_stride, const pkm_select_plan *plan,
                           const pkm_select_scratch *scratch)
{
    (void)ids;
    (void)scores;
    (void)halves;
    (void)n_rows;
    (void)out_stride;
    (void)plan;
    (void)scratch;
    return true;
}

static int32_t find_nothing(int32_t *restrict found, const float *restrict scores, int32_t n,
                            float bound)
{
    (void)found;
    (void)scores;
    (void)n;
    (void)bound;
    return 0;
}

static pkm_key_shape keys_of(const search_values *values)
{
    return pkm_key_shape_of((pkm_key_kind)values->key_kind, values->n_keys, values->key_dim);
}

static pkm_status create_searches(search_bench *bench, const search_values *values)
{
    const pkm_search_config config = {.heads = values->heads,
                                      .n_keys = values->n_keys,
                                      .key_dim = values->key_dim,
                                      .topk = values->topk,
                                      .compute = (pkm_dtype)values->precision,
                                      .key_kind = (pkm_key_kind)values->key_kind};
    pkm_kernels kernels = *pkm_kernels_get();

    PKM_TRY(pkm_search_create(&bench->whole, &config));
    kernels.select = select_nothing;
    kernels.above = find_nothing;
    return pkm_search_create_with(&bench->dots, &config, &kernels);
}

static pkm_status create(search_bench *bench, const search_values *values)
{
    const pkm_key_shape shape = keys_of(values);
    size_t n_queries = pkm_size_product((size_t)values->tokens, (size_t)values->heads);
    size_t n_keys = (size_t)(values->heads * shape.parts * shape.count * shape.width);
    size_t n_slots = pkm_size_product(n_queries, (size_t)values->topk);
    pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("keys")};

    PKM_TRY(create_searches(bench, values));
    PKM_TRY(pkm_alloc_array((void **)&bench->keys, n_keys, sizeof(float), "keys"));
    PKM_TRY(pkm_alloc_array((void **)&bench->queries,
                            pkm_size_product(n_queries, (size_t)values->key_dim), sizeof(float),
                            "queries"));
    PKM_TRY(pkm_alloc_array((void **)&bench->ids, n_slots, sizeof(int32_t), "ids"));
    PKM_TRY(pkm_alloc_array((void **)&bench->scores, n_slots, sizeof(float), "scores"));
    PKM_TRY(pkm_alloc(&bench->workspace, pkm_search_workspace(bench->whole), "workspace"));
    pkm_rng_fill_normal(bench->keys, (int64_t)n_keys, &rng, 0, 1);
    rng.stream = pkm_rng_stream("queries");
    pkm_rng_fill_normal(bench->queries, (int64_t)n_queries * values->key_dim, &rng, 0, 1);
    pkm_search_pack(bench->whole, bench->keys);
    pkm_search_pack(bench->dots, bench->keys);
    return PKM_OK;
}

static void release(search_bench *bench)
{
    pkm_search_destroy(bench->whole);
    pkm_search_destroy(bench->dots);
    pkm_free(bench->keys);
    pkm_free(bench->queries);
    pkm_free(bench->ids);
    pkm_free(bench->scores);
    pkm_free(bench->workspace);
    pkm_row_table_release(&bench->cached);
}

static pkm_status add_task(pkm_measure *measure, int *index, pkm_task task, const char *name,
                           pkm_status (*body)(void *user))
{
    task.body = body;
    snprintf(task.name, sizeof task.name, "%s", name);
    return pkm_measure_add(measure, index, &task);
}

/* Rewriting counts each byte twice, read and written. */
static pkm_status add_cached(pkm_measure *measure, int *index, search_bench *bench)
{
    const search_values *values = bench->values;
    int64_t scores =
        values->key_kind == PKM_KEYS_FLAT ? CACHED_FLAT : CACHED_QUERIES * 2 * values->n_keys;
    int64_t bytes = pkm_threads() * scores * (int64_t)sizeof(float);

    PKM_TRY(pkm_row_table_create(&bench->cached, bytes));
    PKM_TRY(pkm_row_table_lay(&bench->cached, pkm_min_i64(ROW_BYTES, bytes), CACHED_VISITS * bytes,
                              false));
    bench->cached.walk.rewrite = true;
    return pkm_row_probe_add(measure, index, "scores only rewritten", &bench->cached.walk, 0);
}

static pkm_status add_tasks(pkm_measure *measure, void *user)
{
    search_bench *bench = user;
    const search_values *values = bench->values;
    double queries = (double)(values->tokens * values->heads);
    const pkm_key_shape shape = keys_of(values);
    double scores = (double)(shape.parts * shape.count), width = (double)shape.width;
    double keys = (double)values->heads * scores * width, flops = 2 * queries * scores * width;
    size_t key_bytes = sizeof(float) + pkm_dtype_bytes((pkm_dtype)values->precision);
    pkm_task task = {.user = bench, .items = queries, .unit = "queries"};
    int peak, cached, whole, dots;

    PKM_TRY(pkm_peak_add(measure, &peak, (pkm_dtype)values->precision, 0));
    PKM_TRY(add_cached(measure, &cached, bench));
    task.parts[0] = (pkm_floor_part){peak, flops};
    task.parts[1] = (pkm_floor_part){cached, queries * scores * sizeof(float)};
    task.parts_overlap = true;
    PKM_TRY(add_task(measure, &whole, task, "search", search_whole));
    PKM_TRY(add_task(measure, &dots, task, "dot products", search_dots));
    task.parts[0].amount = task.parts[1].amount = 0;
    task.terms[0] = (pkm_task_term){whole, 1};
    task.terms[1] = (pkm_task_term){dots, -1};
    PKM_TRY(add_task(measure, NULL, task, "selection", NULL));
    return pkm_measure_add(
        measure, NULL,
        &(pkm_task){
            .name = "pack keys", .body = pack, .user = bench, .bytes = keys * (double)key_bytes});
}

static pkm_status run(const void *values, pkm_bench_sink sink, void *user)
{
    const search_values *options = values;
    search_bench bench = {.values = options};
    pkm_status status = create(&bench, options);

    if (status == PKM_OK)
        status = pkm_measure_all(options->runs, add_tasks, &bench, sink, user);
    release(&bench);
    return status;
}

const pkm_bench pkm_bench_search = {
    .name = "search",
    .options = {rows, sizeof rows / sizeof rows[0], sizeof(search_values)},
    .run = run,
};
