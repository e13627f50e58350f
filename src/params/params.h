/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameter table: one entry per tensor of a model. Allocation, initialisation, saving,
 * loading, optimising, reducing and printing all walk it; several graphs may share it.
 *
 * Dense entries own their data, fp32 if trained, and then a gradient and two moments. Row-sparse
 * entries (value tables) are owned by their store (src/memory/store.h): the table only knows where
 * they lie.
 */
#ifndef PKM_PARAMS_PARAMS_H
#define PKM_PARAMS_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "dense/dense.h"
#include "pkm/dtype.h"

enum { PKM_PARAM_NAME = 96, PKM_PARAM_DIMS = 4 };

typedef enum pkm_init_kind {
    PKM_INIT_CONSTANT, /* init.scale everywhere */
    PKM_INIT_NORMAL,   /* mean 0, standard deviation init.scale */
    PKM_INIT_UNIFORM   /* in [-init.scale, init.scale) */
} pkm_init_kind;

typedef struct pkm_init {
    pkm_init_kind kind;
    float scale;
} pkm_init;

typedef enum pkm_param_role {
    PKM_PARAM_DENSE,  /* trained by AdamW */
    PKM_PARAM_BUFFER, /* saved with the model, not trained: running statistics */
    PKM_PARAM_ROWS    /* row-sparse, trained by its store */
} pkm_param_role;

typedef struct pkm_param_spec {
    char name[PKM_PARAM_NAME]; /* its name in model.safetensors */
    int n_dims;
    int64_t dims[PKM_PARAM_DIMS];
    pkm_init init;
    pkm_param_role role;
    bool in_out; /* a product's weight that lies [n_in, n_out]; others lie [n_out, n_in] */
    bool decay;  /* weight decay applies: matrices only, never keys, norms, biases, values */
    bool search; /* keys, and what makes the queries: they have a learning rate of their own */
} pkm_param_spec;

typedef struct pkm_param {
    pkm_param_spec spec;
    int64_t count;              /* product of dims */
    pkm_dtype dtype;            /* of data: PKM_F32 but for row-sparse tables and stored weights */
    struct pkm_param *scales;   /* of a stored weight in PKM_I8: its entry, one number a row */
    void *data;                 /* [dims] */
    float *grad;                /* [dims], NULL unless trained and dense */
    float *moment1;             /* Adam's m, [dims] */
    float *moment2;             /* Adam's v, [dims] */
    float *kept;                /* of a buffer in training: see pkm_params_keep */
    pkm_dense *dense;           /* the packed copy, if products use this weight; owned */
    uint64_t version;           /* raised by every change of data */
    uint64_t packed;            /* version that `dense` was packed from; 0 = never */
    pkm_dense_scratch *scratch; /* of the table, for its packed copies */
} pkm_param;

typedef struct pkm_params pkm_params;

pkm_status pkm_params_create(pkm_params **out);
void pkm_params_destroy(pkm_params *params);

/* Adds an entry. *out stays valid for the table's life. PKM_ERR_ARG if the name is taken. */
pkm_status pkm_params_add(pkm_params *params, pkm_param **out, const pkm_param_spec *spec);

int pkm_params_count(const pkm_params *params);
pkm_param *pkm_params_at(const pkm_params *params, int index);
pkm_param *pkm_params_find(const pkm_params *params, const char *name); /* NULL if there is none */

/*
 * Keeps a product's weight in fewer bits, bf16 or int8, row by row [n_out, n_in] whatever it was
 * declared as, in a table that is not trained. Before pkm_params_allocate. PKM_I8 adds the entry
 * "<name>.scale" [n_out], also to a value table.
 */
pkm_status pkm_param_store(pkm_params *params, pkm_param *param, pkm_dtype dtype);

/* Row `row` of a matrix in fp32: where it lies, or in `scratch`, which is as wide. */
const float *pkm_param_row(const pkm_param *param, int64_t row, float *scratch);

/* Says that data was changed: packed copies are renewed before the next forward. */
static inline void pkm_param_changed(pkm_param *param)
{
    param->version++;
}

/* Gives every dense entry and buffer its data and, if `train`, dense ones gradient and moments,
 * all zero. Once; afterwards no entry can be added. */
pkm_status pkm_params_allocate(pkm_params *params, bool train);

/* Fills dense entries and buffers by their initialisers; the stream of an entry is its name. */
void pkm_params_init(pkm_params *params, uint64_t seed);

/* Buffers are moved by forward, before it is known whether the step can be taken: keep copies those
 * of a table allocated for training, restore brings the copies back. */
void pkm_params_keep(pkm_params *params);
void pkm_params_restore(pkm_params *params);

/* Gives the entry a packed copy for products, or checks that the one it has serves this config too
 * (raising max_rows and backward where needed). */
pkm_status pkm_param_use_dense(pkm_param *param, const pkm_dense_config *config);

/* Tells dense maps which weights changed since they were packed; call before each forward. */
void pkm_params_pack(pkm_params *params);

/* Bytes that packed weights come to take in training, beside what pkm_params_allocate took. */
size_t pkm_params_packed_bytes(const pkm_params *params);

/* Bytes pkm_params_allocate takes, checked. */
pkm_status pkm_params_bytes(const pkm_params *params, bool train, size_t *out);

#endif
