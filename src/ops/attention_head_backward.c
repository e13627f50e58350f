/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The derivatives of attention, in transposed blocks: rows are keys, columns queries, so that what
 * belongs to a query is a vector, and P and dS are left operands of the keys' sums as they come.
 */
#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/size.h"
#include "kernels/kernels.h"
#include "ops/attention_head.h"
#include "ops/values.h"

/* A block of queries: m of them from query `first`, and dout of them; lse and delta in s->top and
 * s->sum. */
typedef struct query_block {
    int64_t first, m;
    pkm_operand q_t, q, dout_t, dout; /* right operands */
} query_block;

/* lse, and delta = dout . out = the sum over keys of P dP. */
static void query_sums(const pkm_attention_head *head, const pkm_attention_scratch *s,
                       const query_block *b)
{
    pkm_dtype dtype = head->out.dtype;
    int64_t dim = head->head_dim;

    for (int64_t i = b->first; i < b->first + b->m; i++) {
        const float *dout = pkm_values_read(head->dout.data, dtype,
                                            head->dout.first + i * head->dout.stride, dim, s->o);
        size_t out = (size_t)(head->out.first + i * head->out.stride) * pkm_dtype_bytes(dtype);

        s->top[i - b->first] = head->lse[i * head->lse_stride];
        pkm_kernels_get()->matvec[dtype](s->sum + i - b->first, dout,
                                         (const char *)head->out.data + out, dim, 1, 1, dim);
    }
}

static query_block block_at(const pkm_attention_head *head, const pkm_attention_scratch *s,
                            int64_t first)
{
    int64_t m = pkm_min_i64(head->n_rows - first, PKM_ATTENTION_ROWS), dim = head->head_dim;
    pkm_operand q = pkm_attention_rows(head, s->operand, s->q_rows, &head->q, first, m);
    pkm_operand dout = pkm_attention_rows(head, s->operand, s->do_rows, &head->dout, first, m);
    const query_block b = {
        .first = first,
        .m = m,
        .q_t = pkm_operand_right_t(s->operand, s->q_right_t, PKM_ATTENTION_ROWS, q, dim, m),
        .q = pkm_operand_right(s->operand, s->q_right, q, m, dim),
        .dout_t = pkm_operand_right_t(s->operand, s->do_right_t, PKM_ATTENTION_ROWS, dout, dim, m),
        .dout = pkm_operand_right(s->operand, s->do_right, dout, m, dim),
    };

    query_sums(head, s, &b);
    return b;
}

/* Keys of the whole run: rows as left operands, and the keys transposed. */
typedef struct all_keys {
    pkm_operand k, v, k_t;
} all_keys;

static pkm_operand rows_from(pkm_dtype dtype, pkm_operand rows, int64_t first)
{
    size_t bytes = (size_t)(first * rows.row) * pkm_dtype_bytes(dtype);

    return (pkm_operand){(const char *)rows.data + bytes, rows.row};
}

/* The dropout factors of a block, transposed to [n, ROWS]. */
static const float *block_mask(const pkm_attention_head *head, const pkm_attention_scratch *s,
                               const query_block *b, int64_t first_key, int64_t n)
{
    if (head->dropout <= 0)
        return NULL;
    pkm_attention_mask(head, s->mask_rows, s->keys, b->first, b->m, first_key, n);
    pkm_kernels_get()->transpose[PKM_F32](s->mask, PKM_ATTENTION_ROWS, s->mask_rows, s->keys, b->m,
                                          n);
    return s->mask;
}

/* s->p = P and s->ds = dS of a block of queries with n keys from first_key on. */
static void block_slopes(const pkm_attention_head *head, const pkm_attention_scratch *s,
                         const all_keys *keys, const query_block *b, int64_t first_key, int64_t n)
{
    pkm_operand k = rows_from(s->operand, keys->k, first_key);
    pkm_operand v = rows_from(s->operand, keys->v, first_key);
    int64_t dim = head->head_dim, columns = pkm_operand_columns(b->m), row = PKM_ATTENTION_ROWS;

    pkm_operand_product(s->operand, s->scores, row, k, b->q_t, n, columns, dim, false);
    pkm_operand_product(s->operand, s->d_p, row, v, b->dout_t, n, columns, dim, false);
    pkm_kernels_get()->attend_slopes[s->operand](&(pkm_attend_slopes){
        .n_queries = b->m,
        .n_keys = n,
        .seen = b->first + 1 - first_key,
        .factor = pkm_attention_scale(head),
        .scores = s->scores,
        .d_p = s->d_p,
        .mask = block_mask(head, s, b, first_key, n),
        .row = row,
        .lse = s->top,
        .delta = s->sum,
        .p = s->p,
        .ds = s->ds,
        .pairs = s->ds_pairs,
    });
}

/* A block of queries and the keys it sees: dv, dk and this block's dq. The first block to come is
 * the last of the run, which sees all keys and starts their sums. */
static void backward_block(const pkm_attention_head *head, const pkm_attention_scratch *s,
                           const all_keys *keys, const query_block *b)
{
    int64_t dim = head->head_dim, n_keys = b->first + b->m, row = PKM_ATTENTION_ROWS;
    bool add = n_keys < head->n_rows;

    for (int64_t first = 0; first < n_keys; first += PKM_ATTENTION_KEYS) {
        int64_t n = pkm_min_i64(n_keys - first, PKM_ATTENTION_KEYS);
        size_t element = pkm_dtype_bytes(s->operand);
        pkm_operand k_t = {(const char *)keys->k_t.data + (size_t)first * element, keys->k_t.row};
        pkm_operand p = {s->p, row}, ds = {s->ds, row};
        pkm_operand ds_right = {s->ds_pairs, s->operand == PKM_BF16 ? 2 * row : row};

        block_slopes(head, s, keys, b, first, n);
        pkm_operand_product(s->operand, s->dv + first * dim, dim, p, b->dout, n, dim, b->m, add);
        pkm_operand_product(s->operand, s->dk + first * dim, dim, ds, b->q, n, dim, b->m, add);
        pkm_operand_product(s->operand, s->dq_t, row, k_t, ds_right, dim, pkm_operand_columns(b->m),
                            n, first > 0);
    }
    pkm_kernels_get()->transpose[PKM_F32](s->o, dim, s->dq_t, row, dim, b->m);
    pkm_attention_store(head, &head->dq, s->o, NULL, b->first, b->m, head->add);
}

/*
 * With scores S = a q k^T (a = 1/sqrt(head_dim)), P = softmax(S) by rows, M the dropout factors
 * and out = (P M) v:
 *   dv = (P M)^T dout;          dP = M (dout v^T)
 *   dS = a P (dP - rowsum(P dP)), the derivative of a softmax times that of its argument, where
 *        rowsum(P dP) = rowsum(P M (dout v^T)) = dout . out
 *   dq = dS k;                  dk = dS^T q
 * P is computed again from the scores and the saved log-sum-exp.
 */
void pkm_attention_head_backward(const pkm_attention_head *head,
                                 const pkm_attention_scratch *scratch)
{
    const pkm_attention_scratch *s = scratch;
    int64_t n_keys = head->n_rows, dim = head->head_dim;
    pkm_operand k = pkm_attention_rows(head, s->operand, s->k_rows, &head->k, 0, n_keys);
    const all_keys keys = {
        .k = k,
        .v = pkm_attention_rows(head, s->operand, s->v_rows, &head->v, 0, n_keys),
        .k_t = pkm_operand_left_t(s->operand, s->k_left_t, s->all_keys, k, n_keys, dim),
    };

    for (int64_t first = (n_keys - 1) / PKM_ATTENTION_ROWS * PKM_ATTENTION_ROWS; first >= 0;
         first -= PKM_ATTENTION_ROWS) {
        query_block b = block_at(head, s, first);

        backward_block(head, s, &keys, &b);
    }
    pkm_attention_store(head, &head->dk, s->dk, NULL, 0, n_keys, head->add);
    pkm_attention_store(head, &head->dv, s->dv, NULL, 0, n_keys, head->add);
}
