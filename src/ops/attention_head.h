/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One head of attention over one run of rows, by one thread, in blocks of queries and keys whose
 * scores stay in the nearest caches. Forward needs room for blocks only; backward also for the sums
 * that all queries add to.
 */
#ifndef PKM_OPS_ATTENTION_HEAD_H
#define PKM_OPS_ATTENTION_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/rng.h"
#include "ops/attention_operand.h"
#include "pkm/dtype.h"

enum {
    PKM_ATTENTION_ROWS = 64,  /* queries of a block */
    PKM_ATTENTION_KEYS = 256, /* keys of a block */
    PKM_ATTENTION_RUN = 256   /* most queries of a forward call: they share the packed keys */
};

/* Rows of one head inside a wider buffer: row i starts at element first + i * stride. */
typedef struct pkm_head_rows {
    void *data;
    pkm_dtype dtype;
    int64_t first, stride;
} pkm_head_rows;

typedef struct pkm_attention_head {
    int64_t n_rows;   /* queries */
    int64_t n_before; /* keys before that of the first query; query i sees n_before + i + 1 */
    int64_t head_dim;
    pkm_head_rows q, k, v, out;     /* out: n_rows; k, v: n_before + n_rows */
    pkm_head_rows dq, dk, dv, dout; /* backward, where n_before is 0 */
    bool add;                       /* to dq, dk, dv */
    float *lse; /* log sum exp of each query's scores: lse[i * lse_stride]; NULL: not kept */
    int64_t lse_stride;
    float dropout;
    const pkm_rng *rng;
    uint64_t draw,
        draw_stride; /* index of the draw of (query i, key j): draw + i draw_stride + j */
} pkm_attention_head;

/*
 * Scratch of one thread. Products run in `operand`: bf16 where the head's rows are bf16 (and pair
 * up), else f32. Buffers of rows are used where these must be converted.
 */
typedef struct pkm_attention_scratch {
    pkm_dtype operand;
    int64_t keys;              /* row stride of what is as wide as a block of keys */
    float *scores;             /* [ROWS, keys]; backward [KEYS, ROWS] */
    float *mask;               /* the same, dropout factors; NULL without */
    void *p;                   /* the same in operand dtype */
    float *o;                  /* [RUN, head_dim]; backward [ROWS, head_dim] */
    float *top, *sum, *shrink; /* [RUN]; backward: lse, delta [ROWS] in the first two */
    void *k_right_t, *v_right; /* a block of keys and values as right operands */
    void *q_rows, *k_rows, *v_rows;
    /* backward only */
    int64_t all_keys; /* row stride of what is as wide as all keys */
    void *k_left_t;   /* [head_dim, all_keys] */
    void *q_right, *q_right_t, *do_right, *do_right_t;
    void *do_rows;
    float *d_p;          /* [KEYS, ROWS] */
    void *ds, *ds_pairs; /* [KEYS, ROWS]; [KEYS / 2, ROWS, 2] in bf16 */
    float *dq_t;         /* [head_dim, ROWS] */
    float *dk, *dv;      /* [all_keys, head_dim] */
    float *mask_rows;    /* [ROWS, keys] */
} pkm_attention_scratch;

typedef struct pkm_attention_room {
    int64_t head_dim, max_keys;
    pkm_dtype dtype; /* of the rows */
    bool dropout, backward;
} pkm_attention_room;

void pkm_attention_scratch_take(pkm_attention_scratch *scratch, pkm_arena *arena,
                                const pkm_attention_room *room);

/* At most PKM_ATTENTION_RUN rows. */
void pkm_attention_head_forward(const pkm_attention_head *head,
                                const pkm_attention_scratch *scratch);
void pkm_attention_head_backward(const pkm_attention_head *head,
                                 const pkm_attention_scratch *scratch);

/* What the two directions share: */

/* Rows [first, first + count) of the head in the dtype of products: in place, or in `buffer`. */
pkm_operand pkm_attention_rows(const pkm_attention_head *head, pkm_dtype operand, void *buffer,
                               const pkm_head_rows *rows, int64_t first, int64_t count);

/* Rows from `first` on = or += values [count, head_dim] * factor [count] (NULL: 1). */
void pkm_attention_store(const pkm_attention_head *head, const pkm_head_rows *rows,
                         const float *values, const float *factor, int64_t first, int64_t count,
                         bool add);

/* mask [m, row] = dropout factors of queries from `query` on and n keys from `key` on. */
void pkm_attention_mask(const pkm_attention_head *head, float *mask, int64_t row, int64_t query,
                        int64_t m, int64_t key, int64_t n);

float pkm_attention_scale(const pkm_attention_head *head);

#endif
