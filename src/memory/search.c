/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both ways of searching share: keys in panels, queries in the dtype of the panels, tasks of
 * one head and a block of rows. The tasks of a head follow each other, so that its keys stay in
 * cache. A task is computed whole by one thread and a score does not depend on the block it is in.
 */
#include "memory/search.h"

#include <string.h>

#include "base/dtype.h"
#include "base/threads.h"
#include "memory/search_parts.h"

/* Keys are packed so many elements of a panel at a time. */
enum { PACK_WIDTH = 64 };

static const pkm_search_way *way_of(const pkm_search *search)
{
    return search->config.key_kind == PKM_KEYS_FLAT ? &pkm_search_flat : &pkm_search_product;
}

pkm_status pkm_search_create(pkm_search **out, const pkm_search_config *config)
{
    return pkm_search_create_with(out, config, pkm_kernels_get());
}

pkm_status pkm_search_create_with(pkm_search **out, const pkm_search_config *config,
                                  const pkm_kernels *kernels)
{
    pkm_search *search = NULL;
    int64_t dims[4];
    pkm_status status;

    PKM_TRY(pkm_search_config_check(config));
    PKM_TRY(pkm_alloc_array((void **)&search, 1, sizeof *search, "search"));
    search->config = *config;
    search->kernels = *kernels;
    search->keys = pkm_key_shape_of(config->key_kind, config->n_keys, config->key_dim);
    search->packed =
        kernels->half_scores[PKM_BF16] == pkm_half_scores_bf16_ref ? PKM_F32 : config->compute;
    search->width =
        search->packed == PKM_BF16 ? (search->keys.width + 1) / 2 * 2 : search->keys.width;
    search->n_panels = pkm_ceil_div(search->keys.count, PKM_PANEL_KEYS);
    pkm_select_plan_init(&search->plan, config->n_keys, config->topk);

    dims[0] = config->heads * search->keys.parts;
    dims[1] = search->n_panels;
    dims[2] = search->width;
    dims[3] = PKM_PANEL_KEYS;
    if (!pkm_size_shape(dims, 4, pkm_dtype_bytes(search->packed), &search->panel_bytes)) {
        status = pkm_fail(PKM_ERR_NOMEM, "packed keys: size does not fit memory");
        goto fail;
    }
    search->part_bytes = search->panel_bytes / (size_t)dims[0];
    status = pkm_pages_alloc((void **)&search->panels, search->panel_bytes, "packed keys");
    if (status != PKM_OK)
        goto fail;
    *out = search;
    return PKM_OK;
fail:
    pkm_search_destroy(search);
    return status;
}

void pkm_search_destroy(pkm_search *search)
{
    if (search == NULL)
        return;
    pkm_pages_free(search->panels, search->panel_bytes);
    pkm_free(search);
}

size_t pkm_search_bytes(const pkm_search *search)
{
    return search->panel_bytes;
}

/* A call of pkm_search_pack or pkm_search_run, as its tasks see it. */
typedef struct pack_call {
    pkm_search *search;
    const float *keys;
} pack_call;

/* Queries or keys, or some of their elements, as packed: out [count] from in [count]. */
static void pack_elements(const pkm_search *search, void *out, uint16_t *rounded, const float *in,
                          int64_t count)
{
    if (search->config.compute == PKM_F32) {
        memcpy(out, in, (size_t)count * sizeof *in);
    } else if (search->packed == PKM_BF16) {
        search->kernels.f32_to_bf16(out, in, count);
    } else {
        search->kernels.f32_to_bf16(rounded, in, count);
        search->kernels.bf16_to_f32(out, rounded, count);
    }
}

/* One panel of one part. Its rows of elements, or of pairs of bf16, are 32 bits wide either way.
 * Padding keys stay zero. */
static void pack_panel(int64_t task, int thread, void *user)
{
    const pack_call *call = user;
    const pkm_search *search = call->search;
    int64_t part = task / search->n_panels, first = task % search->n_panels * PKM_PANEL_KEYS;
    int64_t n = pkm_min_i64(PKM_PANEL_KEYS, search->keys.count - first);
    int64_t per_word = (int64_t)(sizeof(float) / pkm_dtype_bytes(search->packed));
    const float *keys = call->keys + (part * search->keys.count + first) * search->keys.width;
    float *panel = (float *)(search->panels + (size_t)part * search->part_bytes) +
                   first * (search->width / per_word);
    float words[PKM_PANEL_KEYS][PACK_WIDTH] = {{0}};
    uint16_t rounded[PACK_WIDTH];

    (void)thread;
    for (int64_t d = 0; d < search->width; d += PACK_WIDTH) {
        int64_t width = pkm_min_i64(PACK_WIDTH, search->width - d);
        int64_t count = pkm_min_i64(PACK_WIDTH, search->keys.width - d);

        for (int64_t i = 0; i < n; i++) {
            if (count < width)
                memset(words[i], 0, sizeof words[i]);
            pack_elements(search, words[i], rounded, keys + i * search->keys.width + d, count);
        }
        search->kernels.transpose[PKM_F32](panel + d / per_word * PKM_PANEL_KEYS, PKM_PANEL_KEYS,
                                           words[0], PACK_WIDTH, n, width / per_word);
    }
}

void pkm_search_pack(pkm_search *search, const float *keys)
{
    pack_call call = {search, keys};

    pkm_parallel(search->config.heads * search->keys.parts * search->n_panels, pack_panel, &call);
}

void pkm_search_queries_carve(pkm_search_queries *out, pkm_arena *arena, const pkm_search *search,
                              int64_t rows)
{
    size_t width = (size_t)search->width;

    out->room = pkm_arena_take(arena, pkm_size_product((size_t)rows, width),
                               pkm_dtype_bytes(search->packed));
    out->rounded = pkm_arena_take(arena, width, sizeof *out->rounded);
}

void pkm_search_queries_set(pkm_search_queries *queries, const pkm_search_task *task, int part)
{
    const pkm_search *search = task->search;
    const float *from = task->queries + part * search->keys.width;
    int64_t stride = search->config.heads * search->config.key_dim;
    size_t bytes = pkm_dtype_bytes(search->packed);

    queries->first = from;
    queries->stride = stride;
    if (search->config.compute == PKM_F32)
        return;
    for (int64_t r = 0; r < task->n_rows; r++) {
        char *row = (char *)queries->room + (size_t)(r * search->width) * bytes;

        if (search->width > search->keys.width)
            memset(row + (size_t)search->keys.width * bytes, 0, bytes);
        pack_elements(search, row, queries->rounded, from + r * stride, search->keys.width);
    }
    queries->first = queries->room;
    queries->stride = search->width;
}

void pkm_search_score(float *scores, const pkm_search_queries *queries, const pkm_search_task *task,
                      int part, int64_t first_panel, int64_t n_panels)
{
    const pkm_search *search = task->search;
    const char *panels = search->panels +
                         (size_t)(task->head * search->keys.parts + part) * search->part_bytes +
                         (size_t)first_panel * (search->part_bytes / (size_t)search->n_panels);

    search->kernels.half_scores[search->packed](scores, queries->first, panels, task->n_rows,
                                                queries->stride, n_panels, search->width);
}

size_t pkm_search_workspace(const pkm_search *search)
{
    return pkm_size_product(way_of(search)->bytes(search), (size_t)pkm_threads());
}

typedef struct run_call {
    const pkm_search *search;
    const pkm_search_way *way;
    int32_t *ids;
    float *scores;
    const float *queries;
    int64_t n_rows;
    char *workspace;
    size_t thread_bytes;
    _Atomic bool not_finite;
} run_call;

static void search_block(int64_t number, int thread, void *user)
{
    run_call *call = user;
    const pkm_search_config *config = &call->search->config;
    int64_t rows = call->way->rows, n_blocks = pkm_ceil_div(call->n_rows, rows);
    int64_t head = number / n_blocks, first = number % n_blocks * rows;
    int64_t at = first * config->heads + head;
    const pkm_search_task task = {.search = call->search,
                                  .head = head,
                                  .n_rows = pkm_min_i64(rows, call->n_rows - first),
                                  .queries = call->queries + at * config->key_dim,
                                  .ids = call->ids + at * config->topk,
                                  .scores = call->scores + at * config->topk};

    if (!call->way->run(&task, call->workspace + (size_t)thread * call->thread_bytes))
        call->not_finite = true;
}

pkm_status pkm_search_run(const pkm_search *search, int32_t *ids, float *scores,
                          const float *queries, int64_t n_rows, void *workspace)
{
    const pkm_search_way *way = way_of(search);
    run_call call = {
        .search = search,
        .way = way,
        .ids = ids,
        .scores = scores,
        .queries = queries,
        .n_rows = n_rows,
        .workspace = workspace,
        .thread_bytes = way->bytes(search),
    };

    PKM_TRY(pkm_check_range("n_rows", n_rows, 0, INT32_MAX));
    pkm_parallel(pkm_ceil_div(n_rows, way->rows) * search->config.heads, search_block, &call);
    if (call.not_finite)
        return pkm_fail(PKM_ERR_NUMERIC, "search: a score of a query and a %s is not finite",
                        search->keys.parts > 1 ? "sub-key" : "key");
    return PKM_OK;
}
