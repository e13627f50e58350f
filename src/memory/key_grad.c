/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/key_grad.h"

#include <string.h>

#include "base/arena.h"
#include "base/threads.h"
#include "kernels/kernels.h"

/* Rows are cut into chunks, each with a gradient of the keys of its own; those are summed in order.
 */
enum { CHUNK_ROWS = 1024, SUM_BLOCK = 4096 };

/* One thread's scratch for a chunk: the distinct sub-keys of each row with their summed scores, row
 * by row, and the same turned round, sub-key by sub-key. */
typedef struct key_scratch {
    int32_t *keys; /* [chunk rows * topk] rows of the key matrix [heads * 2 * n_keys, half] */
    float *sums;   /* [chunk rows * topk] */
    int32_t *rows; /* [chunk rows * topk] rows of the query matrix [n_rows * heads * 2, half] */
    float *turned; /* [chunk rows * topk] sums, by sub-key */
    int64_t *ends; /* [chunk rows] where each row's list ends */
    int64_t *next; /* [n_keys + 1] start of each sub-key's list, then its end */
    float *sum;    /* [n_keys] of one row, zero between rows */
    bool *seen;    /* [n_keys] of one row, false between rows */
    float *row;    /* [half] */
} key_scratch;

static void carve(key_scratch *out, pkm_arena *arena, const pkm_key_grad *grad)
{
    size_t rows = (size_t)pkm_min_i64(CHUNK_ROWS, grad->n_rows);
    size_t hits = pkm_size_product(rows, (size_t)grad->topk);
    size_t n_keys = (size_t)grad->n_keys;

    out->keys = pkm_arena_take(arena, hits, sizeof *out->keys);
    out->sums = pkm_arena_take(arena, hits, sizeof *out->sums);
    out->rows = pkm_arena_take(arena, hits, sizeof *out->rows);
    out->turned = pkm_arena_take(arena, hits, sizeof *out->turned);
    out->ends = pkm_arena_take(arena, rows, sizeof *out->ends);
    out->next = pkm_arena_take(arena, pkm_size_sum(n_keys, 1), sizeof *out->next);
    out->sum = pkm_arena_take(arena, n_keys, sizeof *out->sum);
    out->seen = pkm_arena_take(arena, n_keys, sizeof *out->seen);
    out->row = pkm_arena_take(arena, (size_t)grad->key_dim / 2, sizeof *out->row);
}

static size_t thread_bytes(const pkm_key_grad *grad)
{
    key_scratch scratch;
    pkm_arena arena = {0};

    carve(&scratch, &arena, grad);
    return arena.used;
}

static int64_t chunks(const pkm_key_grad *grad)
{
    return pkm_max_i64(1, pkm_ceil_div(grad->n_rows, CHUNK_ROWS));
}

/* Elements of the keys; the memory layer has checked their size. */
static int64_t key_count(const pkm_key_grad *grad)
{
    return grad->heads * grad->n_keys * grad->key_dim;
}

static size_t parts_bytes(const pkm_key_grad *grad)
{
    size_t elements = pkm_size_product((size_t)key_count(grad), (size_t)chunks(grad) - 1);

    return pkm_round_up(pkm_size_product(elements, sizeof(float)), PKM_ALIGN);
}

size_t pkm_key_grad_workspace(const pkm_key_grad *grad)
{
    if (grad->key_kind == PKM_KEYS_FLAT)
        return pkm_flat_key_grad_workspace(grad);
    return pkm_size_sum(parts_bytes(grad),
                        pkm_size_product((size_t)pkm_threads(), thread_bytes(grad)));
}

typedef struct key_pass {
    const pkm_key_grad *grad;
    float *parts;    /* [chunks - 1, heads * 2, n_keys, half] of the chunks after the first */
    char *workspace; /* of the threads */
    size_t thread_bytes;
} key_pass;

/* One (head, half) of the rows first <= row < last. */
typedef struct key_block {
    int64_t first, last, head;
    int half;
    float *dkeys; /* [n_keys, half] of the chunk */
    bool accumulate;
} key_block;

/* Sums the scores of one row and head per distinct sub-key, in order of first appearance; returns
 * how many there are. */
static int64_t sum_row(const key_scratch *scratch, int32_t *keys, float *sums,
                       const pkm_key_grad *grad, const int32_t *ids, const float *dscores, int half)
{
    uint32_t n = (uint32_t)grad->n_keys;
    int64_t distinct = 0;

    for (int64_t i = 0; i < grad->topk; i++) {
        uint32_t id = (uint32_t)ids[i], high = id / n;
        uint32_t key = half == 0 ? high : id - high * n;

        keys[distinct] = (int32_t)key;
        distinct += !scratch->seen[key];
        scratch->seen[key] = true;
        scratch->sum[key] += dscores[i];
    }
    for (int64_t i = 0; i < distinct; i++) {
        sums[i] = scratch->sum[keys[i]];
        scratch->sum[keys[i]] = 0;
        scratch->seen[keys[i]] = false;
    }
    return distinct;
}

/* Lists of every row, and from each its query gradient. */
static void query_gradients(const key_scratch *scratch, const pkm_key_grad *grad,
                            const key_block *block)
{
    int64_t width = grad->key_dim / 2, end = 0;
    const float *keys = grad->keys + (block->head * 2 + block->half) * grad->n_keys * width;

    memset(scratch->sum, 0, (size_t)grad->n_keys * sizeof *scratch->sum);
    memset(scratch->seen, 0, (size_t)grad->n_keys * sizeof *scratch->seen);
    for (int64_t row = block->first; row < block->last; row++) {
        int64_t start = end, at = row * grad->heads + block->head;

        end += sum_row(scratch, scratch->keys + start, scratch->sums + start, grad,
                       grad->ids + at * grad->topk, grad->dscores + at * grad->topk, block->half);
        scratch->ends[row - block->first] = end;
        pkm_kernels_get()->bag[PKM_F32](grad->dq + (at * 2 + block->half) * width, keys,
                                        scratch->keys + start, scratch->sums + start, 1,
                                        end - start, width);
    }
}

/* Turns the lists round: for each sub-key the rows that read it, in order (a counting sort). */
static void turn(const key_scratch *scratch, const pkm_key_grad *grad, const key_block *block)
{
    int64_t n_rows = block->last - block->first, start = 0, at = 0;
    int64_t total = n_rows > 0 ? scratch->ends[n_rows - 1] : 0;

    memset(scratch->next, 0, (size_t)(grad->n_keys + 1) * sizeof *scratch->next);
    for (int64_t i = 0; i < total; i++)
        scratch->next[scratch->keys[i]]++;
    for (int64_t key = 0; key <= grad->n_keys; key++) {
        int64_t count = scratch->next[key];

        scratch->next[key] = start;
        start += count;
    }
    for (int64_t row = 0; row < n_rows; row++)
        for (; at < scratch->ends[row]; at++) {
            int64_t to = scratch->next[scratch->keys[at]]++;

            scratch->rows[to] =
                (int32_t)(((block->first + row) * grad->heads + block->head) * 2 + block->half);
            scratch->turned[to] = scratch->sums[at];
        }
}

static void key_gradients(const key_scratch *scratch, const pkm_key_grad *grad,
                          const key_block *block)
{
    int64_t width = grad->key_dim / 2, start = 0;
    float *dkeys = block->dkeys;

    for (int64_t key = 0; key < grad->n_keys; key++, dkeys += width) {
        int64_t n = scratch->next[key] - start;
        float *out = block->accumulate ? scratch->row : dkeys;

        pkm_kernels_get()->bag[PKM_F32](out, grad->q, scratch->rows + start,
                                        scratch->turned + start, 1, n, width);
        if (block->accumulate)
            pkm_kernels_get()->vector_add(dkeys, dkeys, out, width);
        start += n;
    }
}

static void gradients_block(int64_t task, int thread, void *user)
{
    const key_pass *pass = user;
    const pkm_key_grad *grad = pass->grad;
    pkm_arena arena = {.base = pass->workspace + (size_t)thread * pass->thread_bytes};
    int64_t chunk = task / (2 * grad->heads), part = task % (2 * grad->heads);
    float *dkeys = chunk == 0 ? grad->dkeys : pass->parts + (chunk - 1) * key_count(grad);
    key_block block = {.first = chunk * CHUNK_ROWS,
                       .last = pkm_min_i64((chunk + 1) * CHUNK_ROWS, grad->n_rows),
                       .head = part / 2,
                       .half = (int)(part % 2),
                       .dkeys = dkeys + part * grad->n_keys * (grad->key_dim / 2),
                       .accumulate = chunk == 0 && grad->accumulate};
    key_scratch scratch;

    carve(&scratch, &arena, grad);
    query_gradients(&scratch, grad, &block);
    turn(&scratch, grad, &block);
    key_gradients(&scratch, grad, &block);
}

/* Adds the chunks after the first, in order. */
static void sum_block(int64_t block, int thread, void *user)
{
    const key_pass *pass = user;
    int64_t count = key_count(pass->grad), first = block * SUM_BLOCK;
    int64_t n = pkm_min_i64(SUM_BLOCK, count - first);
    float *dkeys = pass->grad->dkeys + first;

    (void)thread;
    for (int64_t chunk = 1; chunk < chunks(pass->grad); chunk++)
        pkm_kernels_get()->vector_add(dkeys, dkeys, pass->parts + (chunk - 1) * count + first, n);
}

void pkm_key_grad_run(const pkm_key_grad *grad, void *workspace)
{
    key_pass pass = {.grad = grad,
                     .parts = workspace,
                     .workspace = (char *)workspace + parts_bytes(grad),
                     .thread_bytes = thread_bytes(grad)};

    if (grad->key_kind == PKM_KEYS_FLAT) {
        pkm_flat_key_grad_run(grad, workspace);
        return;
    }
    pkm_parallel(2 * grad->heads * chunks(grad), gradients_block, &pass);
    if (chunks(grad) > 1)
        pkm_parallel(pkm_ceil_div(key_count(grad), SUM_BLOCK), sum_block, &pass);
}
