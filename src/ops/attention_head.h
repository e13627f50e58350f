/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One head of attention over one run of rows, by one thread. Blocks of ATTENTION_ROWS queries meet
 * all keys they may see: the scores of a block of queries are the largest thing that exists.
 */
#ifndef PKM_OPS_ATTENTION_HEAD_H
#define PKM_OPS_ATTENTION_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/rng.h"
#include "pkm/dtype.h"

enum { PKM_ATTENTION_ROWS = 32, PKM_ATTENTION_FEW = 4 };

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
    pkm_head_rows dq, dk, dv, dout; /* backward */
    bool add;                       /* to dq, dk, dv */
    float *lse; /* log sum exp of each query's scores: lse[i * lse_stride]; NULL: not kept */
    int64_t lse_stride;
    float dropout;
    const pkm_rng *rng;
    uint64_t draw,
        draw_stride; /* index of the draw of (query i, key j): draw + i draw_stride + j */
} pkm_attention_head;

/*
 * Scratch of one thread, for up to max_keys keys. Products run in `operand`: bf16 where the head's
 * rows are bf16 (and pair up), else f32.
 */
typedef struct pkm_attention_scratch {
    pkm_dtype operand;
    int64_t keys;                      /* row stride of what is as wide as the keys */
    float *scores;                     /* [ATTENTION_ROWS, keys] */
    float *mask;                       /* [ATTENTION_ROWS, keys] dropout; NULL without */
    float *o;                          /* [ATTENTION_ROWS, head_dim] */
    int32_t *positions;                /* [keys] 0, 1, 2, ...: all rows of the values */
    void *left;                        /* [ATTENTION_ROWS, keys] scores in operand dtype */
    void *q_rows, *k_rows, *v_rows;    /* rows of the head in operand dtype, where converted */
    void *k_right, *k_right_t;         /* keys and values as right operands, as they are */
    void *v_right, *v_right_t;         /* and transposed */
    void *left_t, *q_right, *do_right; /* this and below: backward only */
    void *do_rows;
    float *d_scores; /* [ATTENTION_ROWS, keys] */
    float *dk, *dv;  /* [keys, head_dim] */
} pkm_attention_scratch;

void pkm_attention_scratch_take(pkm_attention_scratch *scratch, pkm_arena *arena, int64_t head_dim,
                                int64_t max_keys, pkm_dtype dtype, bool dropout, bool backward);

void pkm_attention_head_forward(const pkm_attention_head *head,
                                const pkm_attention_scratch *scratch);
void pkm_attention_head_backward(const pkm_attention_head *head,
                                 const pkm_attention_scratch *scratch);

#endif
