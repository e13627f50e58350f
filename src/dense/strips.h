/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products by own kernels (kernels/strip_product.h): a weight in strips, rows times it, and the
 * gradient of a weight. Every element of a result is summed in the order of k, however rows and
 * columns are cut into blocks: bits depend on neither the cut nor the threads.
 */
#ifndef PKM_DENSE_STRIPS_H
#define PKM_DENSE_STRIPS_H

#include "dense/dense.h"
#include "kernels/strip_product.h"

/* Whether products in this dtype are faster here than the provider's, at the level of PKM_ISA. */
bool pkm_strips_win(pkm_dtype compute);

/* B [k, n], packed. */
typedef struct pkm_strips {
    int64_t k, n;
    int64_t row_step, column_step; /* of B's elements in the master weight */
    pkm_dtype dtype;
    void *data; /* NULL until packed for the first time */
    bool fresh; /* data is that of the master weight */
} pkm_strips;

/* Packs the master weight unless `fresh`. */
pkm_status pkm_strips_pack(pkm_strips *strips, const float *master);
void pkm_strips_release(pkm_strips *strips);

/* All of call->m rows, in parallel; b, n, k and b_strip are filled in here. */
void pkm_strips_rows(const pkm_strips *strips, const pkm_strip_product *call);

/* c = or += left^T right over the rows; sums = or += the column sums of right. */
typedef struct pkm_strips_gradient {
    float *c;                      /* element (i, j) of [m, n] at i * row_step + j * column_step */
    int64_t row_step, column_step; /* one of them is 1 */
    float *sums;                   /* [n]; NULL: none */
    const void *left, *right;      /* [n_rows, m], [n_rows, n] */
    int64_t m, n, n_rows;
    pkm_dtype dtype; /* of left and right */
    bool add, add_sums;
} pkm_strips_gradient;

pkm_status pkm_strips_gradient_run(const pkm_strips_gradient *gradient, pkm_dense_scratch *scratch);

#endif
