/* SPDX-License-Identifier: Apache-2.0 */
/* Product-key search alone, on normal keys and queries: its time per query of a head, and the time
 * to lay out the keys anew after a training step. */
#include "base/alloc.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"
#include "pkm/memory.h"
#include "timing.h"

typedef struct search_values {
    int64_t tokens, heads, n_keys, key_dim, topk, runs;
    int precision;
} search_values;

#define AT(field) offsetof(search_values, field)

static const pkm_option rows[] = {
    {"tokens", PKM_OPTION_INT, AT(tokens), 1, 1 << 20, "512", NULL, "tokens", NULL,
     "rows of the batch"},
    {"heads", PKM_OPTION_INT, AT(heads), 1, 1024, "4", NULL, "", NULL, "memory heads"},
    {"n_keys", PKM_OPTION_INT, AT(n_keys), 1, 46340, "512", NULL, "", NULL,
     "sub-keys per half; the memory has n_keys^2 slots"},
    {"key_dim", PKM_OPTION_INT, AT(key_dim), 2, 1 << 16, "128", NULL, "", NULL, "width of a query"},
    {"topk", PKM_OPTION_INT, AT(topk), 1, 46340, "32", NULL, "slots", NULL, "read per head"},
    {"precision", PKM_OPTION_CHOICE, AT(precision), 0, 0, "bf16", "f32|bf16", "", NULL,
     "of the products"},
    {"runs", PKM_OPTION_INT, AT(runs), 1, 1000000, "50", NULL, "", NULL, "measured runs"},
};

typedef struct search_bench {
    pkm_search *search;
    int64_t tokens;
    float *keys;    /* [H, 2, n, d_k/2] */
    float *queries; /* [tokens, H, d_k] */
    int32_t *ids;   /* [tokens, H, k] */
    float *scores;  /* [tokens, H, k] */
    void *workspace;
} search_bench;

static pkm_status search(void *user)
{
    search_bench *bench = user;

    return pkm_search_run(bench->search, bench->ids, bench->scores, bench->queries, bench->tokens,
                          bench->workspace);
}

static pkm_status pack(void *user)
{
    search_bench *bench = user;

    pkm_search_pack(bench->search, bench->keys);
    return PKM_OK;
}

static pkm_status create(search_bench *bench, const search_values *values)
{
    const pkm_search_config config = {values->heads, values->n_keys, values->key_dim, values->topk,
                                      values->precision == 1 ? PKM_BF16 : PKM_F32};
    size_t n_queries = pkm_size_product((size_t)values->tokens, (size_t)values->heads);
    size_t n_keys = (size_t)(values->heads * values->n_keys * values->key_dim);
    pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("keys")};

    bench->tokens = values->tokens;
    PKM_TRY(pkm_search_create(&bench->search, &config));
    PKM_TRY(pkm_alloc_array((void **)&bench->keys, n_keys, sizeof(float), "keys"));
    PKM_TRY(pkm_alloc_array((void **)&bench->queries,
                            pkm_size_product(n_queries, (size_t)values->key_dim), sizeof(float),
                            "queries"));
    PKM_TRY(pkm_alloc_array((void **)&bench->ids, pkm_size_product(n_queries, (size_t)values->topk),
                            sizeof(int32_t), "ids"));
    PKM_TRY(pkm_alloc_array((void **)&bench->scores,
                            pkm_size_product(n_queries, (size_t)values->topk), sizeof(float),
                            "scores"));
    PKM_TRY(pkm_alloc(&bench->workspace, pkm_search_workspace(bench->search), "workspace"));
    pkm_rng_fill_normal(bench->keys, (int64_t)n_keys, &rng, 0, 1);
    rng.stream = pkm_rng_stream("queries");
    pkm_rng_fill_normal(bench->queries, (int64_t)n_queries * values->key_dim, &rng, 0, 1);
    pkm_search_pack(bench->search, bench->keys);
    return PKM_OK;
}

static void release(search_bench *bench)
{
    pkm_search_destroy(bench->search);
    pkm_free(bench->keys);
    pkm_free(bench->queries);
    pkm_free(bench->ids);
    pkm_free(bench->scores);
    pkm_free(bench->workspace);
}

static pkm_status measure(search_bench *bench, const search_values *values, pkm_bench_sink sink,
                          void *user)
{
    double queries = (double)(values->tokens * values->heads);
    double keys = (double)(values->heads * values->n_keys * values->key_dim);
    pkm_bench_figure figure = {
        .name = "search",
        .items = queries,
        .unit = "queries",
        .flops = 2 * queries * (double)(values->n_keys * values->key_dim),
    };
    pkm_bench_figure packing = {
        .name = "pack keys",
        .bytes = keys * (4 + (double)pkm_dtype_bytes(values->precision == 1 ? PKM_BF16 : PKM_F32)),
    };

    PKM_TRY(pkm_bench_time(&figure, values->runs, search, bench));
    sink(&figure, user);
    PKM_TRY(pkm_bench_time(&packing, values->runs, pack, bench));
    sink(&packing, user);
    return PKM_OK;
}

static pkm_status run(const void *values, pkm_bench_sink sink, void *user)
{
    search_bench bench = {0};
    pkm_status status = create(&bench, values);

    if (status == PKM_OK)
        status = measure(&bench, values, sink, user);
    release(&bench);
    return status;
}

const pkm_bench pkm_bench_search = {
    .name = "search",
    .options = {rows, sizeof rows / sizeof rows[0], sizeof(search_values)},
    .run = run,
};
