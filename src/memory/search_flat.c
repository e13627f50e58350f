/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flat keys: dot products of a block of rows with a block of keys, the best of which join those so
 * far. These are a heap for each row, the worst on top: only what lies above it is looked at, which
 * soon is next to nothing. Keys come in ascending order, so that one of equal score stays behind.
 */
#include "memory/search_parts.h"

#include <math.h>

#include "kernels/score_heap.h"

/* Keys are read once for so many rows, few enough that these rows' scores of a block of keys take
 * 192 KiB; whole tiles of 4, 6 and 16 queries. */
enum {
    BLOCK_ROWS = 192,
    BLOCK_PANELS = 4,
    BLOCK_KEYS = BLOCK_PANELS * PKM_PANEL_KEYS,
    FOUND_ROOM = BLOCK_KEYS + PKM_ABOVE_STEP
};

/* Scratch of one thread. */
typedef struct flat_scratch {
    float *scores; /* [BLOCK_ROWS, BLOCK_KEYS] */
    pkm_search_queries queries;
    int32_t *found; /* [FOUND_ROOM] */
    uint64_t *best; /* [BLOCK_ROWS, k] complements of score keys: the worst is the largest */
} flat_scratch;

static void carve(flat_scratch *out, pkm_arena *arena, const pkm_search *search)
{
    out->scores = pkm_arena_take(arena, (size_t)BLOCK_ROWS * BLOCK_KEYS, sizeof *out->scores);
    pkm_search_queries_carve(&out->queries, arena, search, BLOCK_ROWS);
    out->found = pkm_arena_take(arena, FOUND_ROOM, sizeof *out->found);
    out->best = pkm_arena_take(arena, pkm_size_product(BLOCK_ROWS, (size_t)search->config.topk),
                               sizeof *out->best);
}

static size_t scratch_bytes(const pkm_search *search)
{
    pkm_arena arena = {0};
    flat_scratch scratch;

    carve(&scratch, &arena, search);
    return arena.used;
}

/* Takes the best of scores [n], those of the keys from `first` on, into `best`, which they push
 * others out of; false if one is not finite. */
static bool take(uint64_t *best, int32_t *found, const pkm_search *search, const float *scores,
                 int32_t n, int32_t first)
{
    int32_t count = search->kernels.above(found, scores, n, score_key_score(~best[0]));

    for (int32_t i = 0; i < count; i++) {
        uint64_t key = score_key(scores[found[i]] + 0.0f, first + found[i]);

        if (key > ~best[0]) {
            best[0] = ~key;
            score_heap_sift_down(best, search->config.topk, 0);
        }
    }
    return count >= 0;
}

/* ids, scores [topk] = what is in the heap, the worst last. */
static void put(int32_t *ids, float *scores, uint64_t *best, int64_t topk)
{
    for (int64_t j = topk - 1; j >= 0; j--) {
        ids[j] = score_key_index(~best[0]);
        scores[j] = score_key_score(~best[0]);
        best[0] = best[j];
        score_heap_sift_down(best, j, 0);
    }
}

static bool run(const pkm_search_task *task, void *memory)
{
    const pkm_search *search = task->search;
    int64_t topk = search->config.topk, stride = search->config.heads * topk;
    pkm_arena arena = {.base = memory};
    flat_scratch scratch;
    bool finite = true;

    carve(&scratch, &arena, search);
    for (int64_t i = 0; i < task->n_rows * topk; i++)
        scratch.best[i] = ~score_key(-INFINITY, 0); /* pushed out by any score */
    pkm_search_queries_set(&scratch.queries, task, 0);
    for (int64_t panel = 0; panel < search->n_panels; panel += BLOCK_PANELS) {
        int64_t n_panels = pkm_min_i64(BLOCK_PANELS, search->n_panels - panel);
        int64_t first = panel * PKM_PANEL_KEYS, row = n_panels * PKM_PANEL_KEYS;
        int32_t n = (int32_t)pkm_min_i64(row, search->keys.count - first);

        pkm_search_score(scratch.scores, &scratch.queries, task, 0, panel, n_panels);
        for (int64_t r = 0; r < task->n_rows; r++)
            finite &= take(scratch.best + r * topk, scratch.found, search, scratch.scores + r * row,
                           n, (int32_t)first);
    }
    for (int64_t r = 0; r < task->n_rows; r++)
        put(task->ids + r * stride, task->scores + r * stride, scratch.best + r * topk, topk);
    return finite;
}

const pkm_search_way pkm_search_flat = {BLOCK_ROWS, scratch_bytes, run};
