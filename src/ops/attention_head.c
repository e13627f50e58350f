/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attention_head.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/values.h"

void pkm_attention_scratch_take(pkm_attention_scratch *scratch, pkm_arena *arena, int64_t head_dim,
                                int64_t max_keys, bool dropout, bool backward)
{
    /* Whole cache lines, and not a multiple of 4 KiB that would crowd few sets of the cache. */
    size_t keys = pkm_round_up((size_t)max_keys, 16) + 16;
    size_t block = PKM_ATTENTION_ROWS, dim = (size_t)head_dim, element = sizeof(float);

    *scratch = (pkm_attention_scratch){.keys = (int64_t)keys};
    scratch->q = pkm_arena_take(arena, block * dim, element);
    scratch->o = pkm_arena_take(arena, block * dim, element);
    scratch->scores = pkm_arena_take(arena, block * keys, element);
    scratch->k = pkm_arena_take(arena, keys * dim, element);
    scratch->v = pkm_arena_take(arena, keys * dim, element);
    scratch->k_t = pkm_arena_take(arena, keys * dim, element);
    if (dropout)
        scratch->mask = pkm_arena_take(arena, block * keys, element);
    if (!backward)
        return;
    scratch->d_scores = pkm_arena_take(arena, block * keys, element);
    scratch->v_t = pkm_arena_take(arena, keys * dim, element);
    scratch->dk = pkm_arena_take(arena, keys * dim, element);
    scratch->dv = pkm_arena_take(arena, keys * dim, element);
}

/* to [count, head_dim] = factor * rows [first, first + count) of the head. */
static void load_rows(float *to, const pkm_head_rows *rows, int64_t first, int64_t count,
                      int64_t head_dim, float factor)
{
    for (int64_t i = 0; i < count; i++) {
        float *row = to + i * head_dim;
        const float *values = pkm_values_read(
            rows->data, rows->dtype, rows->first + (first + i) * rows->stride, head_dim, row);

        if (factor != 1.0f || values != row)
            pkm_kernels_get()->vector_scale(row, values, factor, head_dim);
    }
}

/* rows [first, first + count) of the head = or += factor * from [count, head_dim]; clobbers from.
 */
static void store_rows(const pkm_head_rows *rows, float *from, int64_t first, int64_t count,
                       int64_t head_dim, float factor, bool add)
{
    for (int64_t i = 0; i < count; i++) {
        float *row = from + i * head_dim;

        if (factor != 1.0f)
            pkm_kernels_get()->vector_scale(row, row, factor, head_dim);
        pkm_values_write(rows->data, rows->dtype, rows->first + (first + i) * rows->stride,
                         head_dim, row, add);
    }
}

/* A block of queries: m of them from query `first`, and the n keys that the last of them sees. */
typedef struct block {
    int64_t first, m, n;
} block;

static block block_at(const pkm_attention_head *head, int64_t first)
{
    int64_t m = pkm_min_i64(head->n_rows - first, PKM_ATTENTION_ROWS);

    return (block){.first = first, .m = m, .n = head->n_before + first + m};
}

/* scores [m, n] = q k^T, q scaled. */
static void block_scores(const pkm_attention_head *head, const pkm_attention_scratch *s, block b)
{
    int64_t dim = head->head_dim;

    load_rows(s->q, &head->q, b.first, b.m, dim, 1.0f / sqrtf((float)dim));
    pkm_kernels_get()->block_product(&(pkm_block_product){
        .m = b.m,
        .n = b.n,
        .k = dim,
        .c = s->scores,
        .c_row = s->keys,
        .a = s->q,
        .a_row = dim,
        .a_step = 1,
        .b = s->k_t,
        .b_row = s->keys,
    });
}

/* mask [m, n] = dropout factors; nothing without dropout. */
static void block_mask(const pkm_attention_head *head, const pkm_attention_scratch *s, block b)
{
    for (int64_t i = 0; i < b.m && head->dropout > 0; i++) {
        float *mask = s->mask + i * s->keys;

        for (int64_t j = 0; j < b.n; j++)
            mask[j] = 1.0f;
        pkm_values_dropout(mask, mask, b.n, head->dropout, head->rng,
                           head->draw + (uint64_t)(b.first + i) * head->draw_stride);
    }
}

static void apply_mask(const pkm_attention_head *head, const pkm_attention_scratch *s, float *to,
                       block b)
{
    for (int64_t i = 0; i < b.m && head->dropout > 0; i++)
        pkm_kernels_get()->vector_mul(to + i * s->keys, to + i * s->keys, s->mask + i * s->keys,
                                      b.n);
}

/* row [n] = exp(row - shift) over the keys that query i of the block sees, 0 over the others. */
static float block_exp(const pkm_attention_head *head, float *row, float shift, block b, int64_t i)
{
    int64_t seen = head->n_before + b.first + i + 1;

    memset(row + seen, 0, (size_t)(b.n - seen) * sizeof *row);
    return pkm_kernels_get()->exp_shift(row, row, shift, seen);
}

static void forward_block(const pkm_attention_head *head, const pkm_attention_scratch *s, block b)
{
    int64_t dim = head->head_dim;
    float inverse[PKM_ATTENTION_ROWS];

    block_scores(head, s, b);
    for (int64_t i = 0; i < b.m; i++) {
        float *row = s->scores + i * s->keys;
        float top = pkm_kernels_get()->row_max(row, head->n_before + b.first + i + 1);
        float sum = block_exp(head, row, top, b, i);

        inverse[i] = 1.0f / sum;
        if (head->lse != NULL)
            head->lse[(b.first + i) * head->lse_stride] = top + logf(sum);
    }
    block_mask(head, s, b);
    apply_mask(head, s, s->scores, b);
    pkm_kernels_get()->block_product(&(pkm_block_product){
        .m = b.m,
        .n = dim,
        .k = b.n,
        .c = s->o,
        .c_row = dim,
        .a = s->scores,
        .a_row = s->keys,
        .a_step = 1,
        .b = s->v,
        .b_row = dim,
    });
    for (int64_t i = 0; i < b.m; i++)
        store_rows(&head->out, s->o + i * dim, b.first + i, 1, dim, inverse[i], false);
}

void pkm_attention_head_forward(const pkm_attention_head *head,
                                const pkm_attention_scratch *scratch)
{
    const pkm_attention_scratch *s = scratch;
    int64_t n_keys = head->n_before + head->n_rows, dim = head->head_dim;

    load_rows(s->k, &head->k, 0, n_keys, dim, 1.0f);
    load_rows(s->v, &head->v, 0, n_keys, dim, 1.0f);
    pkm_kernels_get()->transpose[PKM_F32](s->k_t, s->keys, s->k, dim, n_keys, dim);
    for (int64_t first = 0; first < head->n_rows; first += PKM_ATTENTION_ROWS)
        forward_block(head, s, block_at(head, first));
}

/* to [n, head_dim] += scores^T [n, m] from [m, head_dim] */
static void add_to_keys(float *to, const float *scores, const float *from, int64_t dim,
                        const pkm_attention_scratch *s, block b)
{
    pkm_kernels_get()->block_product(&(pkm_block_product){
        .m = b.n,
        .n = dim,
        .k = b.m,
        .c = to,
        .c_row = dim,
        .a = scores,
        .a_row = 1,
        .a_step = s->keys,
        .b = from,
        .b_row = dim,
        .add = true,
    });
}

static void backward_block(const pkm_attention_head *head, const pkm_attention_scratch *s, block b)
{
    int64_t dim = head->head_dim;

    block_scores(head, s, b);
    for (int64_t i = 0; i < b.m; i++)
        block_exp(head, s->scores + i * s->keys, head->lse[(b.first + i) * head->lse_stride], b, i);
    load_rows(s->o, &head->dout, b.first, b.m, dim, 1.0f);
    pkm_kernels_get()->block_product(&(pkm_block_product){
        .m = b.m,
        .n = b.n,
        .k = dim,
        .c = s->d_scores,
        .c_row = s->keys,
        .a = s->o,
        .a_row = dim,
        .a_step = 1,
        .b = s->v_t,
        .b_row = s->keys,
    });
    block_mask(head, s, b);
    apply_mask(head, s, s->d_scores, b);
    for (int64_t i = 0; i < b.m; i++)
        pkm_kernels_get()->softmax_backward(s->d_scores + i * s->keys, s->scores + i * s->keys,
                                            s->d_scores + i * s->keys, b.n);
    apply_mask(head, s, s->scores, b);
    add_to_keys(s->dv, s->scores, s->o, dim, s, b);
    add_to_keys(s->dk, s->d_scores, s->q, dim, s, b);
    pkm_kernels_get()->block_product(&(pkm_block_product){
        .m = b.m,
        .n = dim,
        .k = b.n,
        .c = s->o,
        .c_row = dim,
        .a = s->d_scores,
        .a_row = s->keys,
        .a_step = 1,
        .b = s->k,
        .b_row = dim,
    });
    store_rows(&head->dq, s->o, b.first, b.m, dim, 1.0f / sqrtf((float)dim), head->add);
}

/*
 * With scores S = a q k^T (a = 1/sqrt(head_dim)), P = softmax(S) by rows, M the dropout factors
 * and out = (P M) v:
 *   dv = (P M)^T dout;          dP = M (dout v^T)
 *   dS = P (dP - rowsum(P dP)), the derivative of a softmax
 *   dq = a dS k;                dk = dS^T (a q)
 * P is computed again from the scores and the saved log-sum-exp.
 */
void pkm_attention_head_backward(const pkm_attention_head *head,
                                 const pkm_attention_scratch *scratch)
{
    const pkm_attention_scratch *s = scratch;
    int64_t n_keys = head->n_rows, dim = head->head_dim;
    size_t bytes = (size_t)(n_keys * dim) * sizeof(float);

    load_rows(s->k, &head->k, 0, n_keys, dim, 1.0f);
    load_rows(s->v, &head->v, 0, n_keys, dim, 1.0f);
    pkm_kernels_get()->transpose[PKM_F32](s->k_t, s->keys, s->k, dim, n_keys, dim);
    pkm_kernels_get()->transpose[PKM_F32](s->v_t, s->keys, s->v, dim, n_keys, dim);
    memset(s->dk, 0, bytes);
    memset(s->dv, 0, bytes);
    for (int64_t first = 0; first < head->n_rows; first += PKM_ATTENTION_ROWS)
        backward_block(head, s, block_at(head, first));
    store_rows(&head->dk, s->dk, 0, n_keys, dim, 1.0f, head->add);
    store_rows(&head->dv, s->dv, 0, n_keys, dim, 1.0f, head->add);
}
