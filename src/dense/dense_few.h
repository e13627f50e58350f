/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few rows at a time (decoding): y = x W + bias bound by reading W, so W is kept row after row,
 * [n_out, n_in] in the compute dtype, and read once for all the rows. The outputs are cut into
 * fixed blocks.
 */
#ifndef PKM_DENSE_DENSE_FEW_H
#define PKM_DENSE_DENSE_FEW_H

#include "dense/dense.h"

typedef struct pkm_dense_few {
    int64_t n_in, n_out;
    int64_t in_step, out_step; /* of the master weight's elements */
    pkm_dtype dtype;           /* of x */
    pkm_dense_stored rows;     /* [n_out, n_in]: those of `own`, or a stored weight */
    void *own;                 /* in `dtype`, whole pages */
    size_t own_bytes;
    float *x;   /* [PKM_DENSE_FEW_ROWS, n_in]: rows of a call, where they are bf16 */
    bool fresh; /* rows are those of the weight */
} pkm_dense_few;

/* n_rows <= PKM_DENSE_FEW_ROWS; see pkm_dense_forward. */
pkm_status pkm_dense_few_run(pkm_dense_few *few, const float *master, void *y, pkm_dtype y_dtype,
                             const void *x, const float *bias, int64_t n_rows);
void pkm_dense_few_release(pkm_dense_few *few);

#endif
