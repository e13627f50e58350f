/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attention_head.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/size.h"
#include "kernels/kernels.h"
#include "ops/attention_operand.h"
#include "ops/values.h"

void pkm_attention_scratch_take(pkm_attention_scratch *scratch, pkm_arena *arena, int64_t head_dim,
                                int64_t max_keys, pkm_dtype dtype, bool dropout, bool backward)
{
    pkm_dtype operand = head_dim % 2 == 0 ? dtype : PKM_F32;
    /* Whole cache lines, and not a multiple of 4 KiB that would crowd few sets of the cache. */
    size_t keys = pkm_size_sum(pkm_round_up((size_t)max_keys, 16), 16);
    size_t block = PKM_ATTENTION_ROWS, dim = (size_t)head_dim, element = pkm_dtype_bytes(operand);
    size_t scores = pkm_size_product(block, keys), queries = pkm_size_product(block, dim);
    size_t all_keys = pkm_size_product(keys, dim);

    *scratch = (pkm_attention_scratch){.operand = operand, .keys = (int64_t)keys};
    scratch->scores = pkm_arena_take(arena, scores, sizeof(float));
    scratch->o = pkm_arena_take(arena, queries, sizeof(float));
    scratch->left = pkm_arena_take(arena, scores, element);
    scratch->q_rows = pkm_arena_take(arena, queries, element);
    scratch->k_rows = pkm_arena_take(arena, all_keys, element);
    scratch->v_rows = pkm_arena_take(arena, all_keys, element);
    scratch->k_right_t = pkm_arena_take(arena, all_keys, element);
    scratch->v_right = pkm_arena_take(arena, all_keys, element);
    scratch->positions = pkm_arena_take(arena, keys, sizeof *scratch->positions);
    if (dropout)
        scratch->mask = pkm_arena_take(arena, scores, sizeof(float));
    if (!backward)
        return;
    scratch->k_right = pkm_arena_take(arena, all_keys, element);
    scratch->v_right_t = pkm_arena_take(arena, all_keys, element);
    scratch->left_t = pkm_arena_take(arena, scores, element);
    scratch->q_right = pkm_arena_take(arena, queries, element);
    scratch->do_right = pkm_arena_take(arena, queries, element);
    scratch->do_rows = pkm_arena_take(arena, queries, element);
    scratch->d_scores = pkm_arena_take(arena, scores, sizeof(float));
    scratch->dk = pkm_arena_take(arena, all_keys, sizeof(float));
    scratch->dv = pkm_arena_take(arena, all_keys, sizeof(float));
}

/* Rows [first, first + count) of the head in the dtype of products: in place, or in `buffer`. */
static pkm_operand head_rows(const pkm_attention_scratch *s, void *buffer,
                             const pkm_head_rows *rows, int64_t first, int64_t count, int64_t dim)
{
    int64_t start = rows->first + first * rows->stride;

    if (rows->dtype == s->operand)
        return (pkm_operand){(const char *)rows->data + (size_t)start * pkm_dtype_bytes(s->operand),
                             rows->stride};
    for (int64_t i = 0; i < count; i++)
        (void)pkm_values_read(rows->data, rows->dtype, start + i * rows->stride, dim,
                              (float *)buffer + i * dim);
    return (pkm_operand){buffer, dim};
}

/* Rows [first, first + count) of the head = or += from [count, dim]. */
static void store_rows(const pkm_head_rows *rows, const float *from, int64_t first, int64_t count,
                       int64_t dim, bool add)
{
    for (int64_t i = 0; i < count; i++)
        pkm_values_write(rows->data, rows->dtype, rows->first + (first + i) * rows->stride, dim,
                         from + i * dim, add);
}

/* A block of queries: m of them from query `first`, and the n keys that the last of them sees. */
typedef struct query_block {
    int64_t first, m, n;
    pkm_operand q; /* [m, head_dim] */
} query_block;

static query_block block_at(const pkm_attention_head *head, const pkm_attention_scratch *s,
                            int64_t first)
{
    int64_t m = pkm_min_i64(head->n_rows - first, PKM_ATTENTION_ROWS);

    return (query_block){.first = first,
                         .m = m,
                         .n = head->n_before + first + m,
                         .q = head_rows(s, s->q_rows, &head->q, first, m, head->head_dim)};
}

/* Keys and values of the head as right operands; what is not needed stays empty. */
typedef struct key_operands {
    pkm_operand k, k_t, v, v_t;
} key_operands;

static key_operands key_operands_of(const pkm_attention_head *head, const pkm_attention_scratch *s,
                                    bool backward)
{
    int64_t n_keys = head->n_before + head->n_rows, dim = head->head_dim;
    pkm_operand k = head_rows(s, s->k_rows, &head->k, 0, n_keys, dim);
    pkm_operand v = head_rows(s, s->v_rows, &head->v, 0, n_keys, dim);
    key_operands keys = {
        .k_t = pkm_operand_right_t(s->operand, s->k_right_t, s->keys, k, dim, n_keys),
    };

    if (backward) {
        keys.k = pkm_operand_right(s->operand, s->k_right, k, n_keys, dim);
        keys.v_t = pkm_operand_right_t(s->operand, s->v_right_t, s->keys, v, dim, n_keys);
    } else {
        keys.v = pkm_operand_right(s->operand, s->v_right, v, n_keys, dim);
    }
    return keys;
}

static float score_scale(const pkm_attention_head *head)
{
    return 1.0f / sqrtf((float)head->head_dim);
}

/* mask [m, n] = dropout factors; nothing without dropout. */
static void block_mask(const pkm_attention_head *head, const pkm_attention_scratch *s,
                       const query_block *b)
{
    for (int64_t i = 0; i < b->m && head->dropout > 0; i++) {
        float *mask = s->mask + i * s->keys;

        for (int64_t j = 0; j < b->n; j++)
            mask[j] = 1.0f;
        pkm_values_dropout(mask, mask, b->n, head->dropout, head->rng,
                           head->draw + (uint64_t)(b->first + i) * head->draw_stride);
    }
}

static void apply_mask(const pkm_attention_head *head, const pkm_attention_scratch *s, float *to,
                       const query_block *b)
{
    for (int64_t i = 0; i < b->m && head->dropout > 0; i++)
        pkm_kernels_get()->vector_mul(to + i * s->keys, to + i * s->keys, s->mask + i * s->keys,
                                      b->n);
}

/* row [n] = exp(scale row - shift) over the keys that query i of the block sees, 0 elsewhere. */
static float block_exp(const pkm_attention_head *head, float *row, float shift,
                       const query_block *b, int64_t i)
{
    int64_t seen = head->n_before + b->first + i + 1;

    memset(row + seen, 0, (size_t)(b->n - seen) * sizeof *row);
    return pkm_kernels_get()->exp_shift(row, row, score_scale(head), shift, seen);
}

static void forward_block(const pkm_attention_head *head, const pkm_attention_scratch *s,
                          const key_operands *keys, const query_block *b)
{
    int64_t dim = head->head_dim;
    float inverse[PKM_ATTENTION_ROWS];
    pkm_operand p;

    pkm_operand_product(s->operand, s->scores, s->keys, b->q, keys->k_t, b->m, b->n, dim, false);
    for (int64_t i = 0; i < b->m; i++) {
        float *row = s->scores + i * s->keys;
        float top =
            score_scale(head) * pkm_kernels_get()->row_max(row, head->n_before + b->first + i + 1);
        float sum = block_exp(head, row, top, b, i);

        inverse[i] = 1.0f / sum;
        if (head->lse != NULL)
            head->lse[(b->first + i) * head->lse_stride] = top + logf(sum);
    }
    block_mask(head, s, b);
    apply_mask(head, s, s->scores, b);
    p = pkm_operand_left(s->operand, s->left, s->scores, s->keys, b->m, b->n);
    pkm_operand_product(s->operand, s->o, dim, p, keys->v, b->m, dim, b->n, false);
    for (int64_t i = 0; i < b->m; i++)
        pkm_kernels_get()->vector_scale(s->o + i * dim, s->o + i * dim, inverse[i], dim);
    store_rows(&head->out, s->o, b->first, b->m, dim, false);
}

/* Rows that lie without gaps are cached ones; with a row or few to compute, laying all keys and
 * values out anew for a product would take longer than reading them. */
static bool reads_in_place(const pkm_attention_head *head)
{
    return head->n_rows <= PKM_ATTENTION_FEW && head->k.stride == head->head_dim &&
           head->v.stride == head->head_dim && head->dropout <= 0 && head->lse == NULL;
}

/* What a product in bf16 would make of its left operand: decoding agrees with scoring. */
static void round_operand(pkm_dtype operand, float *values, void *scratch, int64_t count)
{
    if (operand != PKM_BF16)
        return;
    pkm_kernels_get()->f32_to_bf16(scratch, values, count);
    pkm_kernels_get()->bf16_to_f32(values, scratch, count);
}

/* out of query i: keys are read as a matrix times q, values as a bag of all rows. */
static void forward_few(const pkm_attention_head *head, const pkm_attention_scratch *s, int64_t i)
{
    const pkm_kernels *kernels = pkm_kernels_get();
    int64_t dim = head->head_dim, seen = head->n_before + i + 1;
    const float *q;
    float *p = s->scores;
    const char *k = head->k.data, *v = head->v.data;
    size_t element = pkm_dtype_bytes(head->k.dtype);
    float top, sum;

    q = pkm_values_read(head->q.data, head->q.dtype, head->q.first + i * head->q.stride, dim, s->o);
    kernels->matvec[head->k.dtype](p, q, k + (size_t)head->k.first * element, dim, 1, seen, dim);
    top = score_scale(head) * kernels->row_max(p, seen);
    sum = kernels->exp_shift(p, p, score_scale(head), top, seen);
    round_operand(s->operand, p, s->left, seen);
    kernels->bag[head->v.dtype](s->o, v + (size_t)head->v.first * element, s->positions, p, 1, seen,
                                dim);
    kernels->vector_scale(s->o, s->o, 1.0f / sum, dim);
    store_rows(&head->out, s->o, i, 1, dim, false);
}

static void forward_in_place(const pkm_attention_head *head, const pkm_attention_scratch *s)
{
    for (int64_t j = 0; j < head->n_before + head->n_rows; j++)
        s->positions[j] = (int32_t)j;
    for (int64_t i = 0; i < head->n_rows; i++)
        forward_few(head, s, i);
}

void pkm_attention_head_forward(const pkm_attention_head *head,
                                const pkm_attention_scratch *scratch)
{
    key_operands keys;

    if (reads_in_place(head)) {
        forward_in_place(head, scratch);
        return;
    }
    keys = key_operands_of(head, scratch, false);

    for (int64_t first = 0; first < head->n_rows; first += PKM_ATTENTION_ROWS) {
        query_block b = block_at(head, scratch, first);

        forward_block(head, scratch, &keys, &b);
    }
}

/* scores [m, n] = P and d_scores [m, n] = dP of the block. */
static void block_slopes(const pkm_attention_head *head, const pkm_attention_scratch *s,
                         const key_operands *keys, const query_block *b, pkm_operand dout)
{
    int64_t dim = head->head_dim;

    pkm_operand_product(s->operand, s->scores, s->keys, b->q, keys->k_t, b->m, b->n, dim, false);
    for (int64_t i = 0; i < b->m; i++)
        block_exp(head, s->scores + i * s->keys, head->lse[(b->first + i) * head->lse_stride], b,
                  i);
    pkm_operand_product(s->operand, s->d_scores, s->keys, dout, keys->v_t, b->m, b->n, dim, false);
    block_mask(head, s, b);
    apply_mask(head, s, s->d_scores, b);
}

/* The left operand of scores [m, n], after to [n, head_dim] += scores^T from [m, head_dim]. */
static pkm_operand add_to_keys(const pkm_attention_scratch *s, float *to, const float *scores,
                               pkm_operand from, int64_t dim, const query_block *b)
{
    pkm_operand left = pkm_operand_left(s->operand, s->left, scores, s->keys, b->m, b->n);
    pkm_operand left_t =
        pkm_operand_left_t(s->operand, s->left_t, PKM_ATTENTION_ROWS, left, b->m, b->n);

    pkm_operand_product(s->operand, to, dim, left_t, from, b->n, dim, b->m, true);
    return left;
}

static void backward_block(const pkm_attention_head *head, const pkm_attention_scratch *s,
                           const key_operands *keys, const query_block *b)
{
    int64_t dim = head->head_dim;
    pkm_operand dout = head_rows(s, s->do_rows, &head->dout, b->first, b->m, dim);
    pkm_operand do_right = pkm_operand_right(s->operand, s->do_right, dout, b->m, dim);
    pkm_operand q_right = pkm_operand_right(s->operand, s->q_right, b->q, b->m, dim);
    pkm_operand ds;

    block_slopes(head, s, keys, b, dout);
    for (int64_t i = 0; i < b->m; i++)
        pkm_kernels_get()->softmax_backward(s->d_scores + i * s->keys, s->scores + i * s->keys,
                                            s->d_scores + i * s->keys, score_scale(head), b->n);
    apply_mask(head, s, s->scores, b);
    add_to_keys(s, s->dv, s->scores, do_right, dim, b);
    ds = add_to_keys(s, s->dk, s->d_scores, q_right, dim, b);
    pkm_operand_product(s->operand, s->o, dim, ds, keys->k, b->m, dim, b->n, false);
    store_rows(&head->dq, s->o, b->first, b->m, dim, head->add);
}

/*
 * With scores S = a q k^T (a = 1/sqrt(head_dim)), P = softmax(S) by rows, M the dropout factors
 * and out = (P M) v:
 *   dv = (P M)^T dout;          dP = M (dout v^T)
 *   dS = a P (dP - rowsum(P dP)), the derivative of a softmax times that of its argument
 *   dq = dS k;                  dk = dS^T q
 * P is computed again from the scores and the saved log-sum-exp.
 */
void pkm_attention_head_backward(const pkm_attention_head *head,
                                 const pkm_attention_scratch *scratch)
{
    const pkm_attention_scratch *s = scratch;
    int64_t n_keys = head->n_rows, dim = head->head_dim;
    size_t bytes = (size_t)(n_keys * dim) * sizeof(float);
    key_operands keys = key_operands_of(head, s, true);

    memset(s->dk, 0, bytes);
    memset(s->dv, 0, bytes);
    for (int64_t first = 0; first < head->n_rows; first += PKM_ATTENTION_ROWS) {
        query_block b = block_at(head, s, first);

        backward_block(head, s, &keys, &b);
    }
    store_rows(&head->dk, s->dk, 0, n_keys, dim, head->add);
    store_rows(&head->dv, s->dv, 0, n_keys, dim, head->add);
}
