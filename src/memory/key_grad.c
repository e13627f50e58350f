/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/key_grad.h"

#include <string.h>

#include "base/arena.h"
#include "base/threads.h"
#include "kernels/kernels.h"

/* One thread's scratch: the distinct sub-keys of each row with their summed scores, row by row, and
 * the same turned round, sub-key by sub-key. */
typedef struct key_scratch {
    int32_t *keys; /* [n_rows * topk] rows of the key matrix [heads * 2 * n_keys, half] */
    float *sums;   /* [n_rows * topk] */
    int32_t *rows; /* [n_rows * topk] rows of the query matrix [n_rows * heads * 2, half] */
    float *turned; /* [n_rows * topk] sums, by sub-key */
    int64_t *ends; /* [n_rows] where each row's list ends */
    int64_t *next; /* [n_keys + 1] start of each sub-key's list, then its end */
    float *sum;    /* [n_keys] of one row, zero between rows */
    bool *seen;    /* [n_keys] of one row, false between rows */
    float *row;    /* [half] */
} key_scratch;

static void carve(key_scratch *out, pkm_arena *arena, const pkm_key_grad *grad)
{
    size_t hits = pkm_size_product((size_t)grad->n_rows, (size_t)grad->topk);
    size_t n_keys = (size_t)grad->n_keys;

    out->keys = pkm_arena_take(arena, hits, sizeof *out->keys);
    out->sums = pkm_arena_take(arena, hits, sizeof *out->sums);
    out->rows = pkm_arena_take(arena, hits, sizeof *out->rows);
    out->turned = pkm_arena_take(arena, hits, sizeof *out->turned);
    out->ends = pkm_arena_take(arena, (size_t)grad->n_rows, sizeof *out->ends);
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

size_t pkm_key_grad_workspace(const pkm_key_grad *grad)
{
    return pkm_size_product((size_t)pkm_threads(), thread_bytes(grad));
}

typedef struct key_pass {
    const pkm_key_grad *grad;
    char *workspace;
    size_t thread_bytes;
} key_pass;

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
static void query_gradients(const key_scratch *scratch, const pkm_key_grad *grad, int64_t head,
                            int half)
{
    int64_t width = grad->key_dim / 2, end = 0;
    const float *keys = grad->keys + (head * 2 + half) * grad->n_keys * width;

    memset(scratch->sum, 0, (size_t)grad->n_keys * sizeof *scratch->sum);
    memset(scratch->seen, 0, (size_t)grad->n_keys * sizeof *scratch->seen);
    for (int64_t row = 0; row < grad->n_rows; row++) {
        int64_t start = end, at = row * grad->heads + head;

        end += sum_row(scratch, scratch->keys + start, scratch->sums + start, grad,
                       grad->ids + at * grad->topk, grad->dscores + at * grad->topk, half);
        scratch->ends[row] = end;
        pkm_kernels_get()->bag[PKM_F32](grad->dq + (at * 2 + half) * width, keys,
                                        scratch->keys + start, scratch->sums + start, 1,
                                        end - start, width);
    }
}

/* Turns the lists round: for each sub-key the rows that read it, in order (a counting sort). */
static void turn(const key_scratch *scratch, const pkm_key_grad *grad, int64_t head, int half)
{
    int64_t total = grad->n_rows > 0 ? scratch->ends[grad->n_rows - 1] : 0, start = 0, at = 0;

    memset(scratch->next, 0, (size_t)(grad->n_keys + 1) * sizeof *scratch->next);
    for (int64_t i = 0; i < total; i++)
        scratch->next[scratch->keys[i]]++;
    for (int64_t key = 0; key <= grad->n_keys; key++) {
        int64_t count = scratch->next[key];

        scratch->next[key] = start;
        start += count;
    }
    for (int64_t row = 0; row < grad->n_rows; row++)
        for (; at < scratch->ends[row]; at++) {
            int64_t to = scratch->next[scratch->keys[at]]++;

            scratch->rows[to] = (int32_t)((row * grad->heads + head) * 2 + half);
            scratch->turned[to] = scratch->sums[at];
        }
}

static void key_gradients(const key_scratch *scratch, const pkm_key_grad *grad, int64_t head,
                          int half)
{
    int64_t width = grad->key_dim / 2, start = 0;
    float *dkeys = grad->dkeys + (head * 2 + half) * grad->n_keys * width;

    for (int64_t key = 0; key < grad->n_keys; key++, dkeys += width) {
        int64_t n = scratch->next[key] - start;
        float *out = grad->accumulate ? scratch->row : dkeys;

        pkm_kernels_get()->bag[PKM_F32](out, grad->q, scratch->rows + start,
                                        scratch->turned + start, 1, n, width);
        for (int64_t c = 0; grad->accumulate && c < width; c++)
            dkeys[c] += out[c];
        start += n;
    }
}

static void half_block(int64_t block, int thread, void *user)
{
    const key_pass *pass = user;
    pkm_arena arena = {.base = pass->workspace + (size_t)thread * pass->thread_bytes};
    key_scratch scratch;
    int64_t head = block / 2;
    int half = (int)(block % 2);

    carve(&scratch, &arena, pass->grad);
    query_gradients(&scratch, pass->grad, head, half);
    turn(&scratch, pass->grad, head, half);
    key_gradients(&scratch, pass->grad, head, half);
}

void pkm_key_grad_run(const pkm_key_grad *grad, void *workspace)
{
    key_pass pass = {grad, workspace, thread_bytes(grad)};

    pkm_parallel(2 * grad->heads, half_block, &pass);
}
