/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory layer's mathematics over a parameter table and a store: what include/pkm/memory.h and
 * src/ops/memory_lookup.c both stand on. No graph here.
 *
 *   q = norm(x W_q + b); scores; exact top-k; w = gate(scores); r = sum_h sum_i w_i V[i];
 *   y = r, or value_proj(r), or value_proj(r * silu(swilu(x)))
 *
 * The layer owns no activations: forward writes what backward needs into `saved`, memory the
 * caller lays out with pkm_memory_layer_saved_bytes.
 */
#ifndef PKM_MEMORY_LAYER_H
#define PKM_MEMORY_LAYER_H

#include "memory/store.h"
#include "memory/usage.h"

typedef struct pkm_memory_layer pkm_memory_layer;

/*
 * Adds the layer's tensors to `params` under `prefix` ("h.2.pkm."; "" for none): query.weight
 * [H*d_k, D], query.bias, query_norm.{weight,bias,running_mean,running_var} [H*d_k], keys
 * [H, 2, n, d_k/2], and where configured value_proj.{weight [D, D_v], bias}, swilu.{weight [D_v,
 * D], bias}. `compute` is the precision of products (and, if bf16, of x and y). Borrows params and
 * store.
 */
pkm_status pkm_memory_layer_create(pkm_memory_layer **out, pkm_params *params, pkm_store *store,
                                   const char *prefix, const pkm_memory_config *config,
                                   pkm_dtype compute);
void pkm_memory_layer_destroy(pkm_memory_layer *layer);

/* For up to max_rows rows: packed weights; train: backward will be called. */
pkm_status pkm_memory_layer_prepare(pkm_memory_layer *layer, int64_t max_rows, bool train);
/* Per row, of what forward leaves for backward; and scratch in all. */
size_t pkm_memory_layer_saved_bytes(const pkm_memory_layer *layer, int64_t max_rows, bool train);
size_t pkm_memory_layer_workspace(const pkm_memory_layer *layer, int64_t max_rows, bool train);

typedef struct pkm_memory_call {
    int64_t n_rows;
    const unsigned char *mask; /* [n_rows] 1 = a real token, 0 = padding; NULL: all real */
    bool train;                /* batch statistics, saved filled; else running statistics */
    void *saved;
    void *workspace;
} pkm_memory_call;

/* y [N, D] = layer(x [N, D]), both in the compute dtype. PKM_ERR_NUMERIC: a NaN score. Adds to the
 * usage counters if collection is on. */
pkm_status pkm_memory_layer_forward(pkm_memory_layer *layer, void *y, const void *x,
                                    const pkm_memory_call *call);

/* dx = or += ; parameter gradients = or += (accumulate_params); records the hits in the store. */
pkm_status pkm_memory_layer_backward(pkm_memory_layer *layer, void *dx, const void *dy,
                                     const void *x, const pkm_memory_call *call, bool accumulate_dx,
                                     bool accumulate_params);

const pkm_memory_config *pkm_memory_layer_config(const pkm_memory_layer *layer);
/* Flops and bytes of one call, for the profile's floor. */
void pkm_memory_layer_cost(const pkm_memory_layer *layer, int64_t n_rows, bool backward,
                           double *flops, double *bytes);

/* Usage: counters for this layer (allocated on first use), reset by start. */
pkm_status pkm_memory_layer_usage_start(pkm_memory_layer *layer);
void pkm_memory_layer_usage_stop(pkm_memory_layer *layer);
const pkm_usage_counter *pkm_memory_layer_usage(const pkm_memory_layer *layer); /* NULL if none */

#endif
