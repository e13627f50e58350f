/* SPDX-License-Identifier: Apache-2.0 */
/* A block of rows of the fused loss (ops/head_loss.c, where the method is told), one thread. */
#ifndef PKM_OPS_HEAD_BLOCK_H
#define PKM_OPS_HEAD_BLOCK_H

#include "base/arena.h"
#include "kernels/strip_product.h"
#include "ops/head_loss.h"

enum {
    PKM_HEAD_CHUNK = 512,     /* rows whose P exists at a time */
    PKM_HEAD_COLUMNS = 32,    /* blocks are filled up to a multiple of this */
    PKM_HEAD_P_ROW = 512 + 32 /* elements from one row of P to the next: no power of two */
};

/* What blocks of a chunk share. */
typedef struct pkm_head_chunk {
    const pkm_head_loss *call;
    int64_t first, count; /* rows of the call */
    void *p;              /* [V, PKM_HEAD_P_ROW] compute */
    void *scaled;         /* seed / sum X [chunk, D] compute, in strips of 16 columns */
} pkm_head_chunk;

/* What one thread works with; R = rows of a block. */
typedef struct pkm_head_bench {
    void *x;             /* X^T [D, R] compute, in strips of 16 columns */
    float *logits;       /* [PKM_HEAD_STRIP, R] */
    void *p;             /* P of one strip of W [PKM_HEAD_STRIP, R] compute, in strips */
    float *dx;           /* dX^T [D, R] */
    void *rows;          /* rows on their way in or out [R, D]; f32, or compute */
    float *shift, *part; /* [R]; part: the sums of a strip */
    double *sum;         /* [R] */
    float *wanted;       /* [R] logit of the target */
    float *missing;      /* [R] its (p - 1) sum */
    float *factor;       /* [R] seed / sum */
} pkm_head_bench;

/* Lays out a bench for blocks of `rows` rows. */
void pkm_head_bench_take(pkm_head_bench *out, pkm_arena *arena, const pkm_head_weight *head,
                         int64_t rows, bool gradients);

/* Rows [at, at + count) of the chunk: losses, dx, and what dW needs of them; at is a multiple of
 * PKM_HEAD_COLUMNS. */
void pkm_head_block_run(const pkm_head_chunk *chunk, const pkm_head_bench *bench, int64_t at,
                        int64_t count);

/* Steps that strips of the head's dtype hold for k of them. */
static inline int64_t pkm_head_steps(const pkm_head_weight *head, int64_t k)
{
    return head->compute == PKM_BF16 ? pkm_ceil_div(k, PKM_STRIP_STEP) * PKM_STRIP_STEP : k;
}

#endif
