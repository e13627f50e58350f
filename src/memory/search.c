/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Search runs in tasks of one head and a block of rows: dot products of the block with both halves'
 * keys, then the selection while the scores are in cache. The tasks of a head follow each other, so
 * that its keys stay in cache. A task is computed whole by one thread and a score does not depend
 * on the block it is in.
 */
#include "memory/search.h"

#include <string.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/threads.h"
#include "memory/memory_config.h"

/* 48 rows are whole tiles of 4, 6 and 16 queries; scores of both halves at n = 512 take 192 KiB.
 * Keys are packed PACK_WIDTH elements of a panel at a time. */
enum { BLOCK_ROWS = 48, PACK_WIDTH = 64 };

struct pkm_search {
    pkm_search_config config;
    int64_t half_width; /* d_k / 2 */
    pkm_dtype packed;   /* of panels and packed queries: f32 also where the level has no bf16 */
    int64_t width;      /* half_width, even if packed is bf16: the last element is zero */
    int64_t n_panels;   /* panels of 64 keys per half */
    size_t half_bytes;  /* of the panels of one half */
    char *panels;       /* [H, 2, half_bytes] (kernels/half_scores.h) */
    pkm_select_plan plan;
    pkm_kernels kernels;
};

/* Scratch of one thread. */
typedef struct search_scratch {
    float *scores[2];  /* [BLOCK_ROWS, 64 n_panels] */
    void *queries;     /* [BLOCK_ROWS, width] of one half, as packed */
    uint16_t *rounded; /* [width] */
    pkm_select_scratch select;
} search_scratch;

pkm_status pkm_search_create(pkm_search **out, const pkm_search_config *config)
{
    return pkm_search_create_with(out, config, pkm_kernels_get());
}

pkm_status pkm_search_create_with(pkm_search **out, const pkm_search_config *config,
                                  const pkm_kernels *kernels)
{
    pkm_search *search = NULL;
    int64_t dims[4];
    size_t bytes;
    pkm_status status;

    PKM_TRY(pkm_search_config_check(config));
    PKM_TRY(pkm_alloc_array((void **)&search, 1, sizeof *search, "search"));
    search->config = *config;
    search->kernels = *kernels;
    search->half_width = config->key_dim / 2;
    search->packed =
        kernels->half_scores[PKM_BF16] == pkm_half_scores_bf16_ref ? PKM_F32 : config->compute;
    search->width =
        search->packed == PKM_BF16 ? (search->half_width + 1) / 2 * 2 : search->half_width;
    search->n_panels = pkm_ceil_div(config->n_keys, PKM_PANEL_KEYS);
    pkm_select_plan_init(&search->plan, config->n_keys, config->topk);

    dims[0] = config->heads * 2;
    dims[1] = search->n_panels;
    dims[2] = search->width;
    dims[3] = PKM_PANEL_KEYS;
    if (!pkm_size_shape(dims, 4, pkm_dtype_bytes(search->packed), &bytes)) {
        status = pkm_fail(PKM_ERR_NOMEM, "packed keys: size does not fit memory");
        goto fail;
    }
    search->half_bytes = bytes / (size_t)dims[0];
    status = pkm_alloc_array((void **)&search->panels, bytes, 1, "packed keys");
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
    pkm_free(search->panels);
    pkm_free(search);
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

/* One panel of one half. Its rows of elements, or of pairs of bf16, are 32 bits wide either way.
 * Padding keys stay zero. */
static void pack_panel(int64_t task, int thread, void *user)
{
    const pack_call *call = user;
    const pkm_search *search = call->search;
    int64_t half = task / search->n_panels, first = task % search->n_panels * PKM_PANEL_KEYS;
    int64_t n = pkm_min_i64(PKM_PANEL_KEYS, search->config.n_keys - first);
    int64_t per_word = (int64_t)(sizeof(float) / pkm_dtype_bytes(search->packed));
    const float *keys = call->keys + (half * search->config.n_keys + first) * search->half_width;
    float *panel = (float *)(search->panels + (size_t)half * search->half_bytes) +
                   first * (search->width / per_word);
    float words[PKM_PANEL_KEYS][PACK_WIDTH] = {{0}};
    uint16_t rounded[PACK_WIDTH];

    (void)thread;
    for (int64_t d = 0; d < search->width; d += PACK_WIDTH) {
        int64_t width = pkm_min_i64(PACK_WIDTH, search->width - d);
        int64_t count = pkm_min_i64(PACK_WIDTH, search->half_width - d);

        for (int64_t i = 0; i < n; i++) {
            if (count < width)
                memset(words[i], 0, sizeof words[i]);
            pack_elements(search, words[i], rounded, keys + i * search->half_width + d, count);
        }
        search->kernels.transpose[PKM_F32](panel + d / per_word * PKM_PANEL_KEYS, PKM_PANEL_KEYS,
                                           words[0], PACK_WIDTH, n, width / per_word);
    }
}

void pkm_search_pack(pkm_search *search, const float *keys)
{
    pack_call call = {search, keys};

    pkm_parallel(search->config.heads * 2 * search->n_panels, pack_panel, &call);
}

static void carve(search_scratch *out, pkm_arena *arena, const pkm_search *search)
{
    size_t n_scores = (size_t)(BLOCK_ROWS * search->n_panels * PKM_PANEL_KEYS);
    size_t topk = (size_t)search->config.topk;

    for (int half = 0; half < 2; half++) {
        out->scores[half] = pkm_arena_take(arena, n_scores, sizeof(float));
        out->select.index[half] = pkm_arena_take(arena, topk, sizeof(int32_t));
        out->select.score[half] = pkm_arena_take(arena, topk, sizeof(float));
    }
    out->queries = pkm_arena_take(arena, pkm_size_product(BLOCK_ROWS, (size_t)search->width),
                                  pkm_dtype_bytes(search->packed));
    out->rounded = pkm_arena_take(arena, (size_t)search->width, sizeof(uint16_t));
    out->select.heap = pkm_arena_take(arena, (size_t)search->config.n_keys, sizeof(uint64_t));
    out->select.next = pkm_arena_take(arena, topk, sizeof(int32_t));
}

static size_t thread_bytes(const pkm_search *search)
{
    pkm_arena arena = {0};
    search_scratch scratch;

    carve(&scratch, &arena, search);
    return arena.used;
}

size_t pkm_search_workspace(const pkm_search *search)
{
    return pkm_size_product(thread_bytes(search), (size_t)pkm_threads());
}

typedef struct run_call {
    const pkm_search *search;
    int32_t *ids;
    float *scores;
    const float *queries;
    int64_t n_rows;
    char *workspace;
    size_t thread_bytes;
    _Atomic bool not_finite;
} run_call;

/* The scores of one half: n_rows queries of one head against its keys. */
static void score_half(const search_scratch *scratch, const pkm_search *search, int64_t head,
                       int half, const float *queries, int64_t n_rows)
{
    const pkm_search_config *config = &search->config;
    const char *panels = search->panels + (size_t)(head * 2 + half) * search->half_bytes;
    int64_t stride = config->heads * config->key_dim;
    size_t bytes = pkm_dtype_bytes(search->packed);

    queries += half * search->half_width;
    if (config->compute == PKM_F32) { /* as they lie */
        search->kernels.half_scores[PKM_F32](scratch->scores[half], queries, panels, n_rows, stride,
                                             search->n_panels, search->width);
        return;
    }
    for (int64_t r = 0; r < n_rows; r++) {
        char *row = (char *)scratch->queries + (size_t)(r * search->width) * bytes;

        if (search->width > search->half_width)
            memset(row + (size_t)search->half_width * bytes, 0, bytes);
        pack_elements(search, row, scratch->rounded, queries + r * stride, search->half_width);
    }
    search->kernels.half_scores[search->packed](scratch->scores[half], scratch->queries, panels,
                                                n_rows, search->width, search->n_panels,
                                                search->width);
}

static void search_block(int64_t task, int thread, void *user)
{
    run_call *call = user;
    const pkm_search *search = call->search;
    const pkm_search_config *config = &search->config;
    int64_t n_blocks = pkm_ceil_div(call->n_rows, BLOCK_ROWS);
    int64_t head = task / n_blocks, first = task % n_blocks * BLOCK_ROWS;
    int64_t n_rows = pkm_min_i64(BLOCK_ROWS, call->n_rows - first);
    int64_t at = (first * config->heads + head) * config->topk;
    pkm_arena arena = {.base = call->workspace + (size_t)thread * call->thread_bytes};
    search_scratch scratch;

    carve(&scratch, &arena, search);
    for (int half = 0; half < 2; half++)
        score_half(&scratch, search, head, half,
                   call->queries + (first * config->heads + head) * config->key_dim, n_rows);
    if (!search->kernels.select(call->ids + at, call->scores + at, scratch.scores, n_rows,
                                config->heads * config->topk, &search->plan, &scratch.select))
        call->not_finite = true;
}

pkm_status pkm_search_run(const pkm_search *search, int32_t *ids, float *scores,
                          const float *queries, int64_t n_rows, void *workspace)
{
    run_call call = {
        .search = search,
        .ids = ids,
        .scores = scores,
        .queries = queries,
        .n_rows = n_rows,
        .workspace = workspace,
        .thread_bytes = thread_bytes(search),
    };

    PKM_TRY(pkm_check_range("n_rows", n_rows, 0, INT32_MAX));
    pkm_parallel(pkm_ceil_div(n_rows, BLOCK_ROWS) * search->config.heads, search_block, &call);
    if (call.not_finite)
        return pkm_fail(PKM_ERR_NUMERIC, "search: a score of a query and a sub-key is not finite");
    return PKM_OK;
}
