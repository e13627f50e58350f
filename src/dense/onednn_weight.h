/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c [m, n] = or += left^T right over the rows: the gradient of a weight; and column sums of one of
 * the two, the gradient of a bias. Rows are taken in chunks
 * of fixed sizes, the last filled up with zeros; for each chunk left is transposed and right packed
 * once, then rows of c are cut into blocks. Chunks are added in order, so bits do not depend on the
 * threads.
 */
#ifndef PKM_DENSE_ONEDNN_WEIGHT_H
#define PKM_DENSE_ONEDNN_WEIGHT_H

#include "dense/dense.h"
#include "dense/onednn_gemm.h"

typedef struct pkm_weight_product {
    int64_t m, n;
    pkm_dtype compute;         /* of left and right */
    pkm_dtype native;          /* what oneDNN multiplies in: PKM_F32 where it has no bf16 */
    pkm_gemm *gemm[2][2][2];   /* [chunk][block of m or its rest][accumulates]; made when needed */
    const pkm_gemm *form[2];   /* [chunk]: the one that chose the form of right; borrowed */
    pkm_gemm_layout layout[2]; /* [chunk]: that form */
} pkm_weight_product;

typedef struct pkm_weight_call {
    float *c;                 /* [m, n] */
    float *sums;              /* = or += column sums of one side; NULL: none */
    bool sums_left;           /* of left [m], else of right [n] */
    const void *left, *right; /* [n_rows, m], [n_rows, n] */
    int64_t n_rows;
    bool accumulate, accumulate_sums;
} pkm_weight_call;

pkm_status pkm_weight_product_run(pkm_weight_product *product, pkm_dense_scratch *scratch,
                                  const pkm_weight_call *call);
void pkm_weight_product_release(pkm_weight_product *product);

#endif
