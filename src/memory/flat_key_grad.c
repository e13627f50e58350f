/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flat keys are the rows of one matrix, key v of head h being row h slots + v: the queries'
 * gradient is a weighted bag of those rows, and the keys' that of a bag. Every key gets a gradient,
 * most of them zero, since keys are trained like any other weight.
 */
#include "base/arena.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "memory/group.h"
#include "memory/key_grad.h"

enum { ROW_BLOCK = 16, KEY_BLOCK = 256 };

typedef struct flat_pass {
    const pkm_key_grad *grad;
    int64_t slots, hits;   /* hits: n_rows * heads * topk */
    int32_t *ids;          /* [hits] rows of the matrix of keys */
    int32_t *sources;      /* [hits] rows of the matrix of queries [n_rows * heads, key_dim] */
    float *sums;           /* [threads, key_dim] */
    pkm_grouping grouping; /* of the hits by key */
} flat_pass;

static flat_pass carve(const pkm_key_grad *grad, pkm_arena *arena)
{
    flat_pass pass = {.grad = grad,
                      .slots = grad->n_keys * grad->n_keys,
                      .hits = grad->n_rows * grad->heads * grad->topk};

    pass.ids = pkm_arena_take(arena, (size_t)pass.hits, sizeof *pass.ids);
    pass.sources = pkm_arena_take(arena, (size_t)pass.hits, sizeof *pass.sources);
    pass.sums = pkm_arena_take(
        arena, pkm_size_product((size_t)pkm_threads(), (size_t)grad->key_dim), sizeof *pass.sums);
    pkm_grouping_carve(&pass.grouping, arena, pass.hits, grad->heads * pass.slots);
    return pass;
}

size_t pkm_flat_key_grad_workspace(const pkm_key_grad *grad)
{
    pkm_arena arena = {0};

    (void)carve(grad, &arena);
    return arena.used;
}

/* ids and sources of some rows, and their queries' gradient. */
static void rows_block(int64_t block, int thread, void *user)
{
    const flat_pass *pass = user;
    const pkm_key_grad *grad = pass->grad;
    int64_t first = block * ROW_BLOCK * grad->heads;
    int64_t last = pkm_min_i64((block + 1) * ROW_BLOCK, grad->n_rows) * grad->heads;

    (void)thread;
    for (int64_t row = first; row < last; row++) {
        int64_t at = row * grad->topk, base = row % grad->heads * pass->slots;

        for (int64_t i = at; i < at + grad->topk; i++) {
            pass->ids[i] = (int32_t)(base + grad->ids[i]);
            pass->sources[i] = (int32_t)row;
        }
        pkm_kernels_get()->bag[PKM_F32](grad->dq + row * grad->key_dim, grad->keys, pass->ids + at,
                                        grad->dscores + at, 1, grad->topk, grad->key_dim);
    }
}

/* The first group of a key from `key` on. */
static int64_t group_at(const pkm_grouping *grouping, int64_t key)
{
    int64_t low = 0, high = grouping->n_groups;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (grouping->rows[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Gradients of some keys, read or not. */
static void keys_block(int64_t block, int thread, void *user)
{
    const flat_pass *pass = user;
    const pkm_key_grad *grad = pass->grad;
    const pkm_grouping *grouping = &pass->grouping;
    int64_t first = block * KEY_BLOCK, width = grad->key_dim;
    int64_t last = pkm_min_i64(first + KEY_BLOCK, grad->heads * pass->slots);
    int64_t group = group_at(grouping, first);

    for (int64_t key = first; key < last; key++) {
        bool read = group < grouping->n_groups && grouping->rows[group] == key;
        int64_t start = read ? grouping->starts[group] : 0;
        int64_t n = read ? grouping->starts[group + 1] - start : 0;
        float *dkey = grad->dkeys + key * width;
        float *out = grad->accumulate ? pass->sums + thread * width : dkey;

        if (!read && grad->accumulate)
            continue;
        pkm_kernels_get()->bag[PKM_F32](out, grad->q, grouping->sources + start,
                                        grouping->weights + start, 1, n, width);
        if (grad->accumulate)
            pkm_kernels_get()->vector_add(dkey, dkey, out, width);
        group += read;
    }
}

void pkm_flat_key_grad_run(const pkm_key_grad *grad, void *workspace)
{
    pkm_arena arena = {.base = workspace};
    flat_pass pass = carve(grad, &arena);
    int64_t n_keys = grad->heads * pass.slots;

    pkm_parallel(pkm_ceil_div(grad->n_rows, ROW_BLOCK), rows_block, &pass);
    pkm_grouping_run(&pass.grouping, pass.ids, pass.sources, grad->dscores, pass.hits, n_keys);
    pkm_parallel(pkm_ceil_div(n_keys, KEY_BLOCK), keys_block, &pass);
}
