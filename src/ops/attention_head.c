/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attention_head.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/size.h"
#include "kernels/kernels.h"
#include "ops/values.h"

enum {
    /* Up to this many queries, packing a cache of keys for products costs more than it saves. */
    FEW_ROWS = 4
};

static void take_backward(pkm_attention_scratch *s, pkm_arena *arena,
                          const pkm_attention_room *room, size_t block)
{
    size_t dim = (size_t)room->head_dim, element = pkm_dtype_bytes(s->operand);
    size_t queries = pkm_size_product(PKM_ATTENTION_ROWS, dim);
    size_t keys = pkm_size_sum(pkm_round_up((size_t)room->max_keys, 16), 16);
    size_t all_keys = pkm_size_product(keys, dim);

    s->all_keys = (int64_t)keys;
    s->k_left_t = pkm_arena_take(arena, all_keys, element);
    s->q_right = pkm_arena_take(arena, queries, element);
    s->q_right_t = pkm_arena_take(arena, queries, element);
    s->do_right = pkm_arena_take(arena, queries, element);
    s->do_right_t = pkm_arena_take(arena, queries, element);
    s->do_rows = pkm_arena_take(arena, queries, element);
    s->d_p = pkm_arena_take(arena, block, sizeof(float));
    s->ds = pkm_arena_take(arena, block, element);
    s->ds_pairs = s->operand == PKM_BF16 ? pkm_arena_take(arena, block, element) : s->ds;
    s->dq_t = pkm_arena_take(arena, queries, sizeof(float));
    s->dk = pkm_arena_take(arena, all_keys, sizeof(float));
    s->dv = pkm_arena_take(arena, all_keys, sizeof(float));
    if (room->dropout)
        s->mask_rows = pkm_arena_take(arena, block, sizeof(float));
}

void pkm_attention_scratch_take(pkm_attention_scratch *scratch, pkm_arena *arena,
                                const pkm_attention_room *room)
{
    pkm_dtype operand = room->head_dim % 2 == 0 ? room->dtype : PKM_F32;
    int64_t max_keys = pkm_min_i64(room->max_keys, PKM_ATTENTION_KEYS);
    /* Whole cache lines, and not a multiple of 4 KiB that would crowd few sets of the cache. */
    size_t keys = pkm_size_sum(pkm_round_up((size_t)max_keys, 16), 16);
    size_t dim = (size_t)room->head_dim, element = pkm_dtype_bytes(operand);
    size_t block = pkm_size_product(PKM_ATTENTION_ROWS, keys);
    size_t run = pkm_size_product(PKM_ATTENTION_RUN, dim), packed = pkm_size_product(keys, dim);
    size_t rows = room->backward ? (size_t)room->max_keys : keys;
    size_t converted = operand == room->dtype ? 0 : pkm_size_product(rows, dim);

    *scratch = (pkm_attention_scratch){.operand = operand, .keys = (int64_t)keys};
    scratch->scores = pkm_arena_take(arena, block, sizeof(float));
    scratch->p = pkm_arena_take(arena, block, element);
    scratch->o = pkm_arena_take(arena, run, sizeof(float));
    scratch->top = pkm_arena_take(arena, PKM_ATTENTION_RUN, sizeof(float));
    scratch->sum = pkm_arena_take(arena, PKM_ATTENTION_RUN, sizeof(float));
    scratch->shrink = pkm_arena_take(arena, PKM_ATTENTION_RUN, sizeof(float));
    scratch->k_right_t = pkm_arena_take(arena, packed, element);
    scratch->v_right = pkm_arena_take(arena, packed, element);
    scratch->q_rows = pkm_arena_take(arena, run, element);
    scratch->k_rows = pkm_arena_take(arena, converted, element);
    scratch->v_rows = pkm_arena_take(arena, converted, element);
    if (room->dropout)
        scratch->mask = pkm_arena_take(arena, block, sizeof(float));
    if (room->backward)
        take_backward(scratch, arena, room, block);
}

pkm_operand pkm_attention_rows(const pkm_attention_head *head, pkm_dtype operand, void *buffer,
                               const pkm_head_rows *rows, int64_t first, int64_t count)
{
    int64_t start = rows->first + first * rows->stride, dim = head->head_dim;

    if (rows->dtype == operand)
        return (pkm_operand){(const char *)rows->data + (size_t)start * pkm_dtype_bytes(operand),
                             rows->stride};
    for (int64_t i = 0; i < count; i++)
        (void)pkm_values_read(rows->data, rows->dtype, start + i * rows->stride, dim,
                              (float *)buffer + i * dim);
    return (pkm_operand){buffer, dim};
}

void pkm_attention_store(const pkm_attention_head *head, const pkm_head_rows *rows,
                         const float *values, const float *factor, int64_t first, int64_t count,
                         bool add)
{
    size_t start = (size_t)(rows->first + first * rows->stride) * pkm_dtype_bytes(rows->dtype);

    pkm_kernels_get()->store_rows[rows->dtype](&(pkm_store_rows){
        .n_rows = count,
        .n_columns = head->head_dim,
        .out = (char *)rows->data + start,
        .in = values,
        .factor = factor,
        .out_row = rows->stride,
        .in_row = head->head_dim,
        .add = add,
    });
}

void pkm_attention_mask(const pkm_attention_head *head, float *mask, int64_t row, int64_t query,
                        int64_t m, int64_t key, int64_t n)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++)
            mask[i * row + j] = 1.0f;
        pkm_values_dropout(mask + i * row, mask + i * row, n, head->dropout, head->rng,
                           head->draw + (uint64_t)(query + i) * head->draw_stride + (uint64_t)key);
    }
}

float pkm_attention_scale(const pkm_attention_head *head)
{
    return 1.0f / sqrtf((float)head->head_dim);
}

/* Keys [first, first + n) of the head. */
typedef struct key_block {
    int64_t first, n;
    pkm_operand k_t, v;
} key_block;

/* Scores of m queries from `first` on with a block of keys, into s->p and the running sums. */
static void softmax_block(const pkm_attention_head *head, const pkm_attention_scratch *s,
                          const key_block *keys, int64_t first, int64_t m)
{
    if (head->dropout > 0)
        pkm_attention_mask(head, s->mask, s->keys, first, m, keys->first, keys->n);
    pkm_kernels_get()->attend_softmax[s->operand](&(pkm_attend_softmax){
        .n_queries = m,
        .n_keys = keys->n,
        .seen = head->n_before + first + 1 - keys->first,
        .factor = pkm_attention_scale(head),
        .scores = s->scores,
        .mask = head->dropout > 0 ? s->mask : NULL,
        .row = s->keys,
        .p = s->p,
        .top = s->top + first,
        .sum = s->sum + first,
        .shrink = s->shrink + first,
    });
}

/* The sums over keys so far of m queries from `first` on, shrunk to the new top. */
static float *shrink_sums(const pkm_attention_head *head, const pkm_attention_scratch *s,
                          int64_t first, int64_t m)
{
    int64_t dim = head->head_dim;
    float *o = s->o + first * dim;
    const pkm_store_rows shrink = {.n_rows = m,
                                   .n_columns = dim,
                                   .out = o,
                                   .in = o,
                                   .factor = s->shrink + first,
                                   .out_row = dim,
                                   .in_row = dim};

    pkm_kernels_get()->store_rows[PKM_F32](&shrink);
    return o;
}

/* A block of queries meets a block of keys. */
static void forward_block(const pkm_attention_head *head, const pkm_attention_scratch *s,
                          const key_block *keys, int64_t first, int64_t m)
{
    int64_t dim = head->head_dim;
    /* Keys that the last query sees. */
    int64_t n = pkm_min_i64(keys->n, head->n_before + first + m - keys->first);
    const key_block seen = {keys->first, n, keys->k_t, keys->v};
    pkm_operand q = pkm_attention_rows(head, s->operand, s->q_rows, &head->q, first, m);
    float *o = s->o + first * dim;

    pkm_operand_product(s->operand, s->scores, s->keys, q, keys->k_t, m, pkm_operand_columns(n),
                        dim, false);
    softmax_block(head, s, &seen, first, m);
    if (keys->first > 0)
        o = shrink_sums(head, s, first, m);
    pkm_operand_product(s->operand, o, dim, (pkm_operand){s->p, s->keys}, keys->v, m, dim, n,
                        keys->first > 0);
}

static void meet_keys(const pkm_attention_head *head, const pkm_attention_scratch *s,
                      int64_t first_key, int64_t n)
{
    int64_t dim = head->head_dim;
    pkm_operand k = pkm_attention_rows(head, s->operand, s->k_rows, &head->k, first_key, n);
    pkm_operand v = pkm_attention_rows(head, s->operand, s->v_rows, &head->v, first_key, n);
    const key_block keys = {
        .first = first_key,
        .n = n,
        .k_t = pkm_operand_right_t(s->operand, s->k_right_t, s->keys, k, dim, n),
        .v = pkm_operand_right(s->operand, s->v_right, v, n, dim),
    };
    /* The first block of queries of which one sees a key of this block. */
    int64_t first = pkm_max_i64(0, first_key - head->n_before) / PKM_ATTENTION_ROWS;

    for (first *= PKM_ATTENTION_ROWS; first < head->n_rows; first += PKM_ATTENTION_ROWS)
        forward_block(head, s, &keys, first, pkm_min_i64(head->n_rows - first, PKM_ATTENTION_ROWS));
}

/* The same for a few queries and keys that lie side by side: rows of keys are dotted, rows of
 * values summed, as they are. */
static void meet_keys_few(const pkm_attention_head *head, const pkm_attention_scratch *s,
                          int64_t first_key, int64_t n)
{
    const pkm_kernels *kernels = pkm_kernels_get();
    int64_t dim = head->head_dim;
    pkm_dtype dtype = head->k.dtype;
    pkm_operand k = pkm_attention_rows(head, dtype, NULL, &head->k, first_key, n);
    pkm_operand v = pkm_attention_rows(head, dtype, NULL, &head->v, first_key, n);
    const key_block keys = {.first = first_key, .n = n};
    int32_t ids[PKM_ATTENTION_KEYS];

    for (int32_t j = 0; j < (int32_t)n; j++)
        ids[j] = j;
    for (int64_t i = 0; i < head->n_rows; i++) {
        const float *q = pkm_values_read(head->q.data, head->q.dtype,
                                         head->q.first + i * head->q.stride, dim, s->q_rows);
        float *o = shrink_sums(head, s, i, first_key > 0 ? 1 : 0);
        float *sum = first_key > 0 ? s->o + head->n_rows * dim : o;
        const float *weights;

        kernels->matvec[dtype](s->scores, q, k.data, k.row, 1, n, dim);
        softmax_block(head, s, &keys, i, 1);
        weights = pkm_values_read(s->p, s->operand, 0, n, s->scores);
        kernels->bag[dtype](sum, v.data, ids, weights, 1, n, dim);
        if (first_key > 0)
            kernels->vector_add(o, o, sum, dim);
    }
}

void pkm_attention_head_forward(const pkm_attention_head *head,
                                const pkm_attention_scratch *scratch)
{
    const pkm_attention_scratch *s = scratch;
    bool few = head->n_rows <= FEW_ROWS && head->v.stride == head->head_dim;
    int64_t n_keys = head->n_before + head->n_rows;

    for (int64_t i = 0; i < head->n_rows; i++) {
        s->top[i] = -INFINITY;
        s->sum[i] = 0;
    }
    for (int64_t first = 0; first < n_keys; first += PKM_ATTENTION_KEYS)
        (few ? meet_keys_few : meet_keys)(head, s, first,
                                          pkm_min_i64(n_keys - first, PKM_ATTENTION_KEYS));
    for (int64_t i = 0; i < head->n_rows; i++) {
        if (head->lse != NULL)
            head->lse[i * head->lse_stride] = s->top[i] + logf(s->sum[i]);
        s->shrink[i] = 1.0f / s->sum[i];
    }
    pkm_attention_store(head, &head->out, s->o, s->shrink, 0, head->n_rows, false);
}
