/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory layer's mathematics over a parameter table and a store: what include/pkm/memory.h and
 * src/ops/memory_lookup.c both stand on. No graph here.
 *
 *   q = norm(x W_q + b); scores; exact top-k; w = gate(scores); r = sum_h sum_i w_i V[i];
 *   y = r, or value_proj(r), or value_proj(r * silu(swilu(x)))
 *
 * Padded rows are left out at the door: the layer works on the real rows, packed, so that nothing
 * behind it knows of masks.
 *
 * The layer owns no activations but the batch statistics of the last training forward, which the
 * next backward uses: forward leaves what backward needs in `saved`, memory of the caller.
 */
#ifndef PKM_MEMORY_LAYER_H
#define PKM_MEMORY_LAYER_H

#include "memory/key_reads.h"
#include "memory/store.h"
#include "memory/usage.h"

typedef struct pkm_memory_layer pkm_memory_layer;

/*
 * Adds the layer's tensors to `params` under `prefix` ("h.2.pkm."; "" for none): query.weight
 * [H*d_k, D], query.bias, query_norm.{weight,bias,running_mean,running_var} [H*d_k], keys
 * [H, 2, n, d_k/2] or, flat, [H, n^2, d_k], and where configured value_proj.{weight [D, D_v],
 * bias}, swilu.{weight [D_v, D], bias}. `compute` is the precision of products (and, if bf16, of x
 * and y). Borrows params and store.
 */
pkm_status pkm_memory_layer_create(pkm_memory_layer **out, pkm_params *params, pkm_store *store,
                                   const char *prefix, const pkm_memory_config *config,
                                   pkm_dtype compute);
void pkm_memory_layer_destroy(pkm_memory_layer *layer);

/* The config with value_dim filled in. */
const pkm_memory_config *pkm_memory_layer_config(const pkm_memory_layer *layer);
pkm_dtype pkm_memory_layer_compute(const pkm_memory_layer *layer);

/* The trained entries of the layer in its table, the store's not among them; returns how many. */
enum { PKM_MEMORY_PARAMS = 9 };
int pkm_memory_layer_params(const pkm_memory_layer *layer, pkm_param *out[PKM_MEMORY_PARAMS]);

/* How a caller will run the layer. Several callers may, each with a plan of its own. */
typedef struct pkm_memory_plan {
    int64_t max_rows;
    bool train;  /* backward follows */
    bool masked; /* calls bring a mask */
} pkm_memory_plan;

/* Asks for packed weights. */
pkm_status pkm_memory_layer_prepare(pkm_memory_layer *layer, const pkm_memory_plan *plan);
/* Bytes of the packed keys, taken by the first forward. */
size_t pkm_memory_layer_packed_bytes(const pkm_memory_layer *layer);
/* Bytes of scratch of forward and backward, with the number of threads in use now. */
size_t pkm_memory_layer_workspace(const pkm_memory_layer *layer, const pkm_memory_plan *plan);

/* What forward leaves for backward: up to PKM_MEMORY_SAVED arrays [max_rows, width]; returns how
 * many. */
enum { PKM_MEMORY_SAVED = 5 };
typedef struct pkm_memory_saved {
    const char *suffix;
    pkm_dtype dtype;
    int64_t width;
} pkm_memory_saved;
int pkm_memory_layer_saved(const pkm_memory_layer *layer, pkm_memory_saved out[PKM_MEMORY_SAVED]);

typedef struct pkm_memory_call {
    int64_t n_rows;
    const unsigned char *mask;     /* [n_rows] 1 = a real row, 0 = padding; NULL: all real */
    bool train;                    /* batch statistics, used and learnt; else running statistics */
    void *saved[PKM_MEMORY_SAVED]; /* in the order of pkm_memory_layer_saved */
    void *workspace;
} pkm_memory_call;

/* y [N, D] = layer(x [N, D]), both in the compute dtype, 0 in padded rows. The weights must be
 * packed (pkm_params_pack); keys are packed here. PKM_ERR_NUMERIC: a NaN score. Adds to the usage
 * counters while they run. */
pkm_status pkm_memory_layer_forward(pkm_memory_layer *layer, void *y, const void *x,
                                    const pkm_memory_call *call);

typedef struct pkm_memory_grads {
    void *dx;               /* [N, D] in the compute dtype; NULL: not wanted. May be dy */
    bool accumulate_dx;     /* +=, else = */
    bool accumulate_params; /* the same for the gradients of the parameters */
} pkm_memory_grads;

/* Gradients of the last training forward, which was made with the same x, mask and saved; records
 * its hits in the store. */
pkm_status pkm_memory_layer_backward(pkm_memory_layer *layer, const pkm_memory_grads *grads,
                                     const void *dy, const void *x, const pkm_memory_call *call);

/* Flops and bytes of one call, for the profile's floor. */
void pkm_memory_layer_cost(const pkm_memory_layer *layer, int64_t n_rows, bool backward,
                           double *flops, double *bytes);

/* Usage: counters for this layer (allocated on first use), reset by start. */
pkm_status pkm_memory_layer_usage_start(pkm_memory_layer *layer);
void pkm_memory_layer_usage_stop(pkm_memory_layer *layer);
const pkm_usage_counter *pkm_memory_layer_usage(const pkm_memory_layer *layer); /* NULL if none */

/* Shown what the real rows of a forward read: ids, weights [n_rows, heads, topk], slots in order of
 * score, best first; lent for the call. */
typedef void (*pkm_memory_observer)(const int32_t *ids, const float *weights, int64_t n_rows,
                                    void *user);
/* From now on each forward is shown to the observer; NULL: to nobody. */
void pkm_memory_layer_observe(pkm_memory_layer *layer, pkm_memory_observer observer, void *user);

/* Reviving (revive.h): from `watch` on, backward sums up what weight each sub-key gets; a step that
 * is taken has to be told of (pkm_key_reads_take). Called again, a window begins anew. */
pkm_status pkm_memory_layer_watch(pkm_memory_layer *layer);
pkm_key_reads *pkm_memory_layer_reads(pkm_memory_layer *layer);
const char *pkm_memory_layer_keys_name(const pkm_memory_layer *layer);

#endif
