/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value store: a table V [slots, value_dim] (fp32 or bf16, int8 where it is only read) with its
 * row optimiser. Layers borrow it; several may share one. Backward only records hits; step groups
 * them by row, sums each row's gradient in registers and updates row and moments in one pass. Rows
 * never hit are never touched; a hit of weight 0 (relu gate) is a hit, as in torch's sparse
 * gradients.
 *
 *   backward  pkm_store_backward: ids [N, hits], weights [N, hits], upstream rows [N, value_dim]
 *   step      group by row (stable), clip (optional), update; the records are forgotten
 *
 * Rows are reached through pkm_store_prepare: base pointer and local ids. For a table in memory or
 * mapped from a file that is the identity; a table sharded over hosts will fetch rows first.
 * One thread at a time per object. Public part: include/pkm/memory.h.
 */
#ifndef PKM_MEMORY_STORE_H
#define PKM_MEMORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "memory/slot_reads.h"
#include "params/params.h"
#include "pkm/dtype.h"
#include "pkm/memory.h"

/* A store on a table [slots, value_dim] that is borrowed and only read: of a mapped model file. Not
 * to be trained, filled or initialised. */
pkm_status pkm_store_create_view(pkm_store **out, const pkm_store_config *config,
                                 const void *table);

/* Registers the table as row-sparse entry `name` of `params`, so that saving, loading, counting and
 * printing see it; the store keeps owning the memory and must outlive the table's use. The name
 * also picks the stream of pkm_store_init. */
pkm_status pkm_store_register(pkm_store *store, pkm_params *params, const char *name);

const pkm_store_config *pkm_store_config_of(const pkm_store *store); /* map_path is NULL */

/* Rows that kernels read: *base [*, value_dim] in the table's dtype, *local [n_ids] ids into it
 * (may be `ids` itself). Valid until the next prepare. Rows of a mapped table are asked for here.
 */
pkm_status pkm_store_prepare(pkm_store *store, const void **base, const int32_t **local,
                             const int32_t *ids, int64_t n_ids);

/* Of an int8 table, what the numbers of each row are multiplied by, [slots]; else NULL. */
const float *pkm_store_scales(const pkm_store *store);

/* Room for what is recorded before a step: at most max_rows rows in all (layers x micro-batches x
 * tokens), each of at most max_hits hits. Between steps it may be raised; it never shrinks. */
pkm_status pkm_store_reserve(pkm_store *store, int64_t max_rows, int64_t max_hits);
/* The rows there is room for: for layers that come one after another and add theirs. */
int64_t pkm_store_reserved(const pkm_store *store);
/* Bytes of the store's own table and moments, in memory or in its scratch file; 0 for a borrowed
 * table. */
size_t pkm_store_bytes(const pkm_store *store);
/* Bytes that the room for records takes; pages, which take memory when they are first written. */
size_t pkm_store_log_bytes(const pkm_store *store);

/*
 * The backward of a bag: records its hits, a copy of ids, weights [n_rows, hits] and upstream
 * [n_rows, value_dim], and computes dweights [n_rows, hits] = upstream[r] . V[ids[r][j]].
 * PKM_ERR_STATE beyond the room reserved; PKM_ERR_NUMERIC if upstream is not finite: nothing is
 * recorded then.
 */
pkm_status pkm_store_backward(pkm_store *store, float *dweights, const int32_t *ids,
                              const float *weights, const float *upstream, int64_t n_rows,
                              int64_t hits);

/* PKM_ERR_NUMERIC if a step with these hits could not be taken without an overflow; nothing is
 * changed. For those who step several stores, or none; pkm_store_step begins with it. */
pkm_status pkm_store_check(pkm_store *store, float grad_scale);

/* Distinct rows of the hits recorded last (of all, if they came in one backward). */
int64_t pkm_store_touched(const pkm_store *store);

/* Moments, as tensors to save and load: writes up to 2; returns how many. Adam: "exp_avg",
 * "exp_avg_sq" [slots, value_dim]; Adam by row: "exp_avg" [slots, value_dim] bf16, "exp_avg_sq"
 * [slots]; Adagrad: "sum" [slots]; SGD: none. */
typedef struct pkm_store_moment {
    const char *suffix;
    pkm_dtype dtype;
    int n_dims;
    int64_t dims[2];
    void *data;
} pkm_store_moment;
int pkm_store_moments(const pkm_store *store, pkm_store_moment out[2]);

/* Reviving (revive.h): from `watch` on, step sums up what weight each slot is read with. Called
 * again, a window begins anew. */
pkm_status pkm_store_watch(pkm_store *store);
pkm_slot_reads *pkm_store_reads(pkm_store *store);

/* For what changes rows between steps. */
void *pkm_store_values(const pkm_store *store);
const char *pkm_store_name(const pkm_store *store);

#endif
