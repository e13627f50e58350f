/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value store: a table V [slots, value_dim] (fp32 or bf16) with its row optimiser. Layers
 * borrow it; several may share one. Backward only records hits; step groups them by row, sums each
 * row's gradient in registers and updates row and moments in one pass. Rows never hit are never
 * touched.
 *
 *   backward  pkm_store_record: ids [N, hits], weights [N, hits], upstream rows [N, value_dim]
 *   step      group by row (stable), clip (optional), update; the records are forgotten
 *
 * Rows are reached through pkm_store_prepare: base pointer and local ids. For a table in memory or
 * mapped from a file that is the identity; a table sharded over hosts will fetch rows first.
 * One thread at a time per object.
 */
#ifndef PKM_MEMORY_STORE_H
#define PKM_MEMORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "params/params.h"
#include "pkm/dtype.h"
#include "pkm/memory.h"

/* Registers the table as row-sparse entry `name` of `params`, so that saving, loading, counting and
 * printing see it; the store keeps owning the memory and must outlive the table's use. */
pkm_status pkm_store_register(pkm_store *store, pkm_params *params, const char *name);

int64_t pkm_store_slots(const pkm_store *store);
int64_t pkm_store_value_dim(const pkm_store *store);
pkm_dtype pkm_store_dtype(const pkm_store *store);

/* Fills the table: V ~ N(0, value_dim^-1/2), stream "values.<name>"; the same for any threads. */
void pkm_store_init(pkm_store *store, uint64_t seed);

/* Rows that kernels read: *base [*, value_dim] in the table's dtype, *local [n_ids] ids into it
 * (may be `ids` itself). Valid until the next prepare. */
pkm_status pkm_store_prepare(pkm_store *store, const void **base, const int32_t **local,
                             const int32_t *ids, int64_t n_ids);

/* Room for the hits of one step: at most max_rows rows in all (layers x micro-batches x tokens),
 * each of at most max_hits hits. Call once, before the first record; raising it later is allowed
 * between steps. */
pkm_status pkm_store_reserve(pkm_store *store, int64_t max_rows, int64_t max_hits);

/* Copies one backward's hits: ids, weights [n_rows, hits], upstream [n_rows, value_dim] f32. */
pkm_status pkm_store_record(pkm_store *store, const int32_t *ids, const float *weights,
                            const float *upstream, int64_t n_rows, int64_t hits);

/* Norm of the recorded row gradients over all rows, in double. */
pkm_status pkm_store_grad_norm(pkm_store *store, double *out);

/* Applies the optimiser to the rows hit since the last step, gradients times grad_scale; t from 1.
 * PKM_ERR_NUMERIC if a gradient is not finite: then the step must be discarded by its owner. */
pkm_status pkm_store_step(pkm_store *store, int64_t t, float lr, float grad_scale);
void pkm_store_discard(pkm_store *store); /* forgets recorded hits */

/* Moments, as tensors to save and load: writes up to 2 {suffix, dtype, dims, data}; returns how
 * many. Adam: "exp_avg", "exp_avg_sq" [slots, value_dim]; Adagrad: "sum" [slots]; SGD: none. */
typedef struct pkm_store_moment {
    const char *suffix;
    pkm_dtype dtype;
    int n_dims;
    int64_t dims[2];
    void *data;
} pkm_store_moment;
int pkm_store_moments(const pkm_store *store, pkm_store_moment out[2]);

#endif
