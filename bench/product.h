/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ceiling of dense maps: a product of the dense provider by itself, its weight packed long ago.
 */
#ifndef PKM_BENCH_PRODUCT_H
#define PKM_BENCH_PRODUCT_H

#include "dense/dense.h"
#include "measure.h"

typedef enum pkm_product_kind {
    PKM_PRODUCT_FORWARD, /* y = x W */
    PKM_PRODUCT_INPUT,   /* dx = dy W^T */
    PKM_PRODUCT_WEIGHT,  /* dW = x^T dy */
    PKM_PRODUCT_KINDS
} pkm_product_kind;

typedef struct pkm_product_shape {
    int64_t n_rows, n_in, n_out;
    pkm_weight_layout layout;
    pkm_dtype compute;
} pkm_product_shape;

/* "f32 4096x256x768 dW" has this many flops, whatever the kind. */
double pkm_product_flops(const pkm_product_shape *shape);

/* A product on random operands, for those who run many as one task. */
typedef struct pkm_product pkm_product;
pkm_status pkm_product_create(pkm_product **out, const pkm_product_shape *shape);
void pkm_product_destroy(pkm_product *product);
pkm_status pkm_product_run(pkm_product *product, pkm_product_kind kind);

/* Adds one as a ceiling, itself below the ceiling `peak`; *index (may be NULL) names it. */
pkm_status pkm_product_add(pkm_measure *measure, int *index, const pkm_product_shape *shape,
                           pkm_product_kind kind, int peak, int threads);

#endif
