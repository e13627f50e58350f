/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A linear map y = x W + b with its weight packed for fast products: the only door to the dense
 * provider (oneDNN in dense_onednn.c; dense_ref.c is the specification and the -DPKM_DENSE=ref
 * build). The caller keeps the fp32 master weight; pack() converts it once per step.
 *
 * x [n_rows, n_in] and every dy [n_rows, n_out] are in the compute dtype. Results are summed in
 * fp32. The rows (or, for the weight gradient, the elements of the weight) are cut into fixed
 * blocks, each computed whole by one thread: bits do not depend on the number of threads.
 * One thread at a time per object; products use pkm_parallel inside.
 */
#ifndef PKM_DENSE_DENSE_H
#define PKM_DENSE_DENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pkm/dtype.h"

typedef enum pkm_weight_layout {
    PKM_WEIGHT_IN_OUT, /* [n_in, n_out], GPT-2's projections */
    PKM_WEIGHT_OUT_IN  /* [n_out, n_in], torch.nn.Linear, embeddings used as a head */
} pkm_weight_layout;

typedef struct pkm_dense_config {
    int64_t n_in, n_out;
    pkm_weight_layout layout;
    pkm_dtype compute; /* PKM_F32 or PKM_BF16 */
    bool backward;     /* backward_input will be called */
    int64_t max_rows;  /* largest n_rows; up to PKM_DENSE_FEW_ROWS the matrix-vector path runs */
    struct pkm_dense_scratch *scratch; /* shared with other maps, or NULL: of its own */
} pkm_dense_config;

enum {
    /* Up to this many rows (decoding) own matrix-vector kernels beat the provider's per-call cost.
     */
    PKM_DENSE_FEW_ROWS = 4,
    /* Rows may be cut at multiples of this: one call for all of them gives the same bits as several
     * calls. */
    PKM_DENSE_BLOCK_ROWS = 128
};

typedef struct pkm_dense pkm_dense;

/* Room that maps share which never run at the same time (those of one parameter table); it grows to
 * what the hungriest of them needs, when that one first runs. Outlives its maps. */
typedef struct pkm_dense_scratch pkm_dense_scratch;

pkm_status pkm_dense_scratch_create(pkm_dense_scratch **out);
void pkm_dense_scratch_destroy(pkm_dense_scratch *scratch);

pkm_status pkm_dense_create(pkm_dense **out, const pkm_dense_config *config);
void pkm_dense_destroy(pkm_dense *dense);
const pkm_dense_config *pkm_dense_config_of(const pkm_dense *dense);

/* Says that `weight` (layout and sizes of the config) is what products use from now on: before the
 * first product and after each change of the weight. It is converted and packed when a product
 * first needs it, each direction once, so it must stay valid and unchanged until the next pack. */
void pkm_dense_pack(pkm_dense *dense, const float *weight);

/* A weight [n_out, n_in] in fewer bits, row by row, that is only read: bf16, or int8 with a scale
 * for each row. */
typedef struct pkm_dense_stored {
    const void *rows;
    pkm_dtype dtype;     /* PKM_BF16 or PKM_I8 */
    const float *scales; /* [n_out]; PKM_I8 only */
} pkm_dense_stored;

/* As pkm_dense_pack; the map's layout is PKM_WEIGHT_OUT_IN. A few rows meet the weight where it
 * lies and as it is; for more of them it is rounded to the compute dtype. No backward. */
void pkm_dense_pack_stored(pkm_dense *dense, const pkm_dense_stored *stored);

/* out [n_in] = a row of the weight. */
void pkm_dense_stored_row(float *out, const pkm_dense_stored *stored, int64_t row, int64_t n_in);

/* What becomes of x W while it is in the nearest cache; NULL: nothing. */
typedef struct pkm_dense_finish {
    const float *bias;     /* [n_out] */
    const float *residual; /* [n_rows, n_out]; not y, which is f32 then */
    void *gelu;            /* [n_rows, n_out] in y_dtype: gelu of y as it is stored */
} pkm_dense_finish;

/* y = residual + (x W + bias); y_dtype is PKM_F32 or the compute dtype; finish may be NULL. */
pkm_status pkm_dense_forward(pkm_dense *dense, void *y, pkm_dtype y_dtype, const void *x,
                             const pkm_dense_finish *finish, int64_t n_rows);

/* dx = dy W^T, or dx += dy W^T; dx_dtype is PKM_F32 or the compute dtype. */
pkm_status pkm_dense_backward_input(pkm_dense *dense, void *dx, pkm_dtype dx_dtype, const void *dy,
                                    int64_t n_rows, bool accumulate);

/* Where the gradients of weight and bias go. Each is written or added to by itself: maps may share
 * the one without sharing the other. */
typedef struct pkm_dense_grads {
    float *weight; /* layout of the config, f32 */
    float *bias;   /* [n_out]; NULL: none */
    bool add_weight, add_bias;
} pkm_dense_grads;

/* grads->weight = or += the products of x and dy over the rows; grads->bias = or += column sums of
 * dy. */
pkm_status pkm_dense_backward_weight(pkm_dense *dense, const pkm_dense_grads *grads, const void *x,
                                     const void *dy, int64_t n_rows);

/* Bytes of packed weights such a map comes to hold in training; scratch not counted. */
size_t pkm_dense_bytes(const pkm_dense_config *config);

/* "oneDNN 2.6.3" or "reference". */
const char *pkm_dense_provider(void);

#endif
