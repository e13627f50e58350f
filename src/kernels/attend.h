/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attention does to a block of scores between two products (kernels/block_product.h). Query i
 * sees the keys j < seen + i; seen may be below 1 or above the number of keys. P and dS are bf16 or
 * f32, operands of the next product. What is not seen is exactly 0 in them, whatever the scores
 * hold there.
 *
 * softmax, rows are queries: over key blocks in any order, with top = -infinity and sum = 0 before
 * the first,
 *   top' = max(top, factor * max of the seen scores)
 *   p = exp(factor * score - top') (times mask);  shrink = exp(top - top')
 *   sum' = shrink * sum + the sum of p (without mask);  top, sum become top', sum'
 * so that out' = shrink * out + p V, divided by sum at the end, is the attention. Columns up to a
 * multiple of 16 are written, so p has room for them.
 *
 * slopes, rows are keys: the derivatives by P computed again from the log-sum-exp of each query,
 *   p = exp(factor * score - lse);  dS = factor * p * (mask * d_p - delta);  P = p * mask
 * Columns up to `row` (a multiple of 16, the stride of all matrices) and an even number of rows are
 * written, so the matrices have room for them. bf16: `pairs` holds dS once more, rows 2 l and
 * 2 l + 1 interleaved, as a right operand.
 */
#ifndef PKM_KERNELS_ATTEND_H
#define PKM_KERNELS_ATTEND_H

#include <stdint.h>

typedef struct pkm_attend_softmax {
    int64_t n_queries, n_keys, seen;
    float factor;
    const float *scores, *mask; /* [n_queries, row]; mask NULL: 1 everywhere */
    int64_t row;
    void *p;                   /* [n_queries, row] */
    float *top, *sum, *shrink; /* [n_queries] */
} pkm_attend_softmax;

typedef struct pkm_attend_slopes {
    int64_t n_queries, n_keys, seen;
    float factor;
    const float *scores, *d_p, *mask; /* [n_keys, row]; mask NULL: 1 everywhere */
    int64_t row;
    const float *lse, *delta; /* [n_queries] */
    void *p, *ds;             /* [n_keys, row] */
    uint16_t *pairs;          /* [n_keys / 2, row, 2] */
} pkm_attend_slopes;

typedef void pkm_attend_softmax_fn(const pkm_attend_softmax *block);
typedef void pkm_attend_slopes_fn(const pkm_attend_slopes *block);

pkm_attend_softmax_fn pkm_attend_softmax_f32_ref, pkm_attend_softmax_bf16_ref;
pkm_attend_softmax_fn pkm_attend_softmax_f32_avx2, pkm_attend_softmax_bf16_avx2;
pkm_attend_softmax_fn pkm_attend_softmax_f32_neon, pkm_attend_softmax_bf16_neon;
pkm_attend_softmax_fn pkm_attend_softmax_f32_avx512, pkm_attend_softmax_bf16_avx512;
pkm_attend_softmax_fn pkm_attend_softmax_bf16_avx512bf16;
pkm_attend_slopes_fn pkm_attend_slopes_f32_ref, pkm_attend_slopes_bf16_ref;
pkm_attend_slopes_fn pkm_attend_slopes_f32_avx2, pkm_attend_slopes_bf16_avx2;
pkm_attend_slopes_fn pkm_attend_slopes_f32_neon, pkm_attend_slopes_bf16_neon;
pkm_attend_slopes_fn pkm_attend_slopes_f32_avx512, pkm_attend_slopes_bf16_avx512;
pkm_attend_slopes_fn pkm_attend_slopes_bf16_avx512bf16;

#endif
