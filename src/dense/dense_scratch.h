/* SPDX-License-Identifier: Apache-2.0 */
/* Room for one product: grown on demand, content lost between products. */
#ifndef PKM_DENSE_DENSE_SCRATCH_H
#define PKM_DENSE_DENSE_SCRATCH_H

#include "dense/dense.h"

struct pkm_dense_scratch {
    void *data;
    size_t bytes;
};

/* *out = at least `bytes`, 64-byte aligned, content undefined; valid until the next call. */
pkm_status pkm_dense_scratch_reserve(pkm_dense_scratch *scratch, void **out, size_t bytes);

#endif
