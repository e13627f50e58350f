/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the parameter table, for the files of src/params: all elements cut into fixed blocks,
 * so that loops over every parameter run in parallel with bits that do not depend on threads.
 */
#ifndef PKM_PARAMS_TABLE_H
#define PKM_PARAMS_TABLE_H

#include "params/params.h"

/* Elements per block; even, as pkm_rng_fill_normal wants. */
enum { PKM_PARAM_BLOCK = 16384 };

typedef struct pkm_param_block {
    pkm_param *param;
    int64_t first, count; /* elements */
    double sum;           /* what a reduction found in this block */
    bool finite;          /* after an update: weights and moments are */
} pkm_param_block;

struct pkm_params {
    pkm_param **entries;
    int count, capacity;
    int *places; /* [4 * capacity] hash table of names: 1 + index into entries, 0: empty */
    void *arena; /* data, gradients, moments */
    size_t arena_bytes;
    pkm_param_block *blocks; /* of every entry in the arena */
    int64_t n_blocks;
    pkm_dense_scratch *scratch; /* shared by the packed copies: one product runs at a time */
};

#endif
