/* SPDX-License-Identifier: Apache-2.0 */
/*
 * y = x B: rows times a packed weight; a map's forward product, and its product with the transposed
 * weight. The rows are cut into tall blocks, what is left into short ones, the last short one
 * filled up with zeros: so bits of a row depend on neither the threads nor the rows after it.
 */
#ifndef PKM_DENSE_ONEDNN_ROWS_H
#define PKM_DENSE_ONEDNN_ROWS_H

#include "dense/dense.h"
#include "dense/onednn_gemm.h"

typedef struct pkm_rows_product {
    int64_t k, n;                  /* B [k, n] */
    int64_t row_step, column_step; /* of B's elements in the master weight */
    pkm_dtype compute;             /* of x */
    pkm_dtype native;              /* what oneDNN multiplies in: PKM_F32 where it has no bf16 */
    pkm_gemm *gemm[2][2][2];       /* [block][result in f32, in native][adds]; made when needed */
    void *form;                    /* B as gemm[0][0][0] likes it */
    bool fresh;                    /* form is that of the master weight */
} pkm_rows_product;

typedef struct pkm_rows_call {
    void *y; /* [n_rows, n] */
    pkm_dtype y_dtype;
    const void *x; /* [n_rows, k] */
    pkm_dense_finish finish;
    int64_t n_rows;
    bool accumulate; /* never with a finish */
} pkm_rows_call;

pkm_status pkm_rows_product_run(pkm_rows_product *product, pkm_dense_scratch *scratch,
                                const float *master, const pkm_rows_call *call);
void pkm_rows_product_release(pkm_rows_product *product);

#endif
