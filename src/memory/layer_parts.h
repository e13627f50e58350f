/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the memory layer, for layer.c, layer_forward.c and layer_backward.c. */
#ifndef PKM_MEMORY_LAYER_PARTS_H
#define PKM_MEMORY_LAYER_PARTS_H

#include "base/arena.h"
#include "memory/key_grad.h"
#include "memory/layer.h"
#include "memory/query_norm.h"

struct pkm_memory_layer {
    pkm_memory_config config; /* value_dim filled in */
    pkm_dtype compute;
    int64_t width; /* H * d_k */
    int64_t hits;  /* H * k */
    pkm_params *params;
    pkm_store *store;
    pkm_param *query_weight, *query_bias, *keys;
    pkm_param *norm_weight, *norm_bias;    /* NULL: no norm */
    pkm_param *running_mean, *running_var; /* NULL: no batch norm */
    pkm_param *value_weight, *value_bias;  /* NULL: no projection */
    pkm_param *swilu_weight, *swilu_bias;  /* NULL: no output gate */
    float *mean, *inverse;                 /* [width] batch norm: of the last forward */
    pkm_search *search;
    uint64_t searched; /* version of the keys that `search` has packed; 0: none */
    pkm_usage_counter *usage;
    bool counting;
    pkm_memory_observer observer; /* NULL: none */
    void *observer_user;
    pkm_key_reads reads; /* of training, while somebody watches */
};

/* The caller's saved arrays by name. */
typedef struct layer_saved {
    float *query;   /* [N, width] before the norm */
    int32_t *ids;   /* [N, hits] */
    float *weights; /* [N, hits] */
    float *bag;     /* [N, D_v] before the projection, if there is one */
    float *swilu;   /* [N, D_v] input of silu, if there is an output gate */
} layer_saved;

/* The workspace, laid out. */
typedef struct layer_scratch {
    int32_t *live;    /* [N] masked: the real rows */
    void *x, *y, *dx; /* [N, D] masked: packed x, y or dy, dx */
    float *q;         /* [N, width] after the norm */
    float *bag;       /* [N, D_v] forward: y before conversion; backward: upstream rows */
    void *gated;      /* [N, D_v] input of the projection; backward: gradient of swilu's output */
    float *dq;        /* [N, width] */
    void *dq_compute; /* [N, width] in bf16 */
    float *dweights;  /* [N, hits] */
    void *pool;       /* of the search, or of the key gradients */
} layer_scratch;

layer_saved pkm_layer_saved(const pkm_memory_layer *layer, void *const *saved);
/* Carves a workspace for plan->max_rows rows. */
void pkm_layer_carve(layer_scratch *out, pkm_arena *arena, const pkm_memory_layer *layer,
                     const pkm_memory_plan *plan);
/* The scratch of one call. */
layer_scratch pkm_layer_scratch(const pkm_memory_layer *layer, const pkm_memory_call *call);
/* live = the real rows of the call; returns how many. */
int64_t pkm_layer_live(int32_t *live, const pkm_memory_call *call);

pkm_norm pkm_layer_norm(const pkm_memory_layer *layer);
/* The sizes filled in. */
pkm_key_grad pkm_layer_key_grad(const pkm_memory_layer *layer, int64_t n_rows);
/* gated = bag * silu(swilu), or bag, in the compute dtype; *gated may become bag itself. */
const void *pkm_layer_gated(const pkm_memory_layer *layer, const layer_saved *saved, void *gated,
                            int64_t n_rows);

#endif
