/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Product keys: dot products of a block of rows with both halves' keys, then the selection while
 * the scores are in cache.
 */
#include "memory/search_parts.h"

/* 48 rows are whole tiles of 4, 6 and 16 queries; scores of both halves at n = 512 take 192 KiB. */
enum { BLOCK_ROWS = 48 };

/* Scratch of one thread. */
typedef struct product_scratch {
    float *scores[2]; /* [BLOCK_ROWS, 64 n_panels] */
    pkm_search_queries queries;
    pkm_select_scratch select;
} product_scratch;

static void carve(product_scratch *out, pkm_arena *arena, const pkm_search *search)
{
    size_t n_scores = (size_t)(BLOCK_ROWS * search->n_panels * PKM_PANEL_KEYS);
    size_t topk = (size_t)search->config.topk;

    for (int half = 0; half < 2; half++) {
        out->scores[half] = pkm_arena_take(arena, n_scores, sizeof(float));
        out->select.index[half] = pkm_arena_take(arena, topk, sizeof(int32_t));
        out->select.score[half] = pkm_arena_take(arena, topk, sizeof(float));
    }
    pkm_search_queries_carve(&out->queries, arena, search, BLOCK_ROWS);
    out->select.heap = pkm_arena_take(arena, (size_t)search->config.n_keys, sizeof(uint64_t));
    out->select.next = pkm_arena_take(arena, topk, sizeof(int32_t));
}

static size_t scratch_bytes(const pkm_search *search)
{
    pkm_arena arena = {0};
    product_scratch scratch;

    carve(&scratch, &arena, search);
    return arena.used;
}

static bool run(const pkm_search_task *task, void *memory)
{
    const pkm_search *search = task->search;
    pkm_arena arena = {.base = memory};
    product_scratch scratch;

    carve(&scratch, &arena, search);
    for (int half = 0; half < 2; half++) {
        pkm_search_queries_set(&scratch.queries, task, half);
        pkm_search_score(scratch.scores[half], &scratch.queries, task, half, 0, search->n_panels);
    }
    return search->kernels.select(task->ids, task->scores, scratch.scores, task->n_rows,
                                  search->config.heads * search->config.topk, &search->plan,
                                  &scratch.select);
}

const pkm_search_way pkm_search_product = {BLOCK_ROWS, scratch_bytes, run};
