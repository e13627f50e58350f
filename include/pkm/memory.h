/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory layer with product keys, or flat ones (Lample et al. 2019), usable alone. Three rings:
 *
 *   1. pure functions over the caller's arrays: exact search, weighted bag, row optimiser;
 *   2. the value store: a table of rows with its optimiser, which several layers may share;
 *   3. the whole layer: forward, backward, step, usage, save, load.
 *
 * Symbols: N tokens, D dim, H heads, n n_keys, d_k key_dim, k topk, D_v value_dim, slots = n^2.
 *
 * "Threads" below says how an object may be used from several threads; work inside a call is
 * spread over the library's own threads, and its bits do not depend on how many there are.
 */
#ifndef PKM_MEMORY_H
#define PKM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkm/dtype.h"
#include "pkm/error.h"
#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Pure functions ---------------------------------------------------------------------- */

/* How queries meet slots: each half of a query meets n sub-keys, a slot being a pair of them; or
 * the whole query meets a key for each of the n^2 slots. */
typedef enum pkm_key_kind { PKM_KEYS_PRODUCT, PKM_KEYS_FLAT } pkm_key_kind;

typedef struct pkm_search_config {
    int64_t heads, n_keys; /* H >= 1; 1 <= n <= 46,340; flat: H n^2 < 2^31 */
    int64_t key_dim, topk; /* d_k even; 1 <= k <= n; flat: k <= n^2 */
    pkm_dtype compute;     /* of the dot products: PKM_F32, or PKM_BF16 (queries, keys rounded) */
    pkm_key_kind key_kind;
} pkm_search_config;

/* Packed keys and what depends on the sizes alone. */
typedef struct pkm_search pkm_search;

/**
 * Makes a search for keys of the given sizes; pkm_search_pack gives it the keys.
 *
 * Memory:  *out is the caller's, released with pkm_search_destroy
 * Errors:  PKM_ERR_ARG names the field that is out of its range; PKM_ERR_NOMEM
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_search_create(pkm_search **out, const pkm_search_config *config);

/**
 * Releases a search; NULL is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_search_destroy(pkm_search *search);

/**
 * Takes a copy of the keys, laid out for the search; again after each change of them.
 *
 * Shapes:  keys [H, 2, n, d_k/2] f32; flat: [H, n^2, d_k]
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_search_pack(pkm_search *search, const float *keys);

/**
 * Bytes of scratch pkm_search_run needs with the number of threads in use now.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API size_t pkm_search_workspace(const pkm_search *search);

/**
 * Finds, for each row and head, the k best of n^2 slots, exactly.
 *
 * Equation: score(i, j) = q1 . c1_i + q2 . c2_j, id = i n + j (Lample et al. 2019, section 3.2).
 *           Order: rank the sub-keys of each half by (score descending, index ascending); slots by
 *           (fp32 sum descending, rank in half 1 ascending, rank in half 2 ascending).
 *           Flat (section 4.4 there): score(v) = q . c_v, order (score descending, id ascending).
 * Shapes:   ids [N, H, k] i32, scores [N, H, k] f32, best first; queries [N, H, d_k] f32
 * Memory:   workspace of pkm_search_workspace bytes, 64-byte aligned; allocation: none
 * Errors:   PKM_ERR_ARG if n_rows is negative or above 2^31 - 1; PKM_ERR_NUMERIC if the score of
 *           a key is not finite: ids are then in range but meaningless
 * Threads:  concurrent calls allowed on a const object, each with its own workspace
 * Since:    0.1
 */
PKM_API pkm_status pkm_search_run(const pkm_search *search, int32_t *ids, float *scores,
                                  const float *queries, int64_t n_rows, void *workspace);

/* A weighted bag: row r of the result is sum_j weights[r][j] values[ids[r][j]]. */
typedef struct pkm_bag {
    const void *values; /* [slots, value_dim] of dtype */
    pkm_dtype dtype;    /* PKM_F32 or PKM_BF16 */
    int64_t slots, value_dim;
    const int32_t *ids;   /* [n_rows, hits], each in [0, slots) */
    const float *weights; /* [n_rows, hits] */
    int64_t n_rows, hits; /* n_rows * hits < 2^31 */
} pkm_bag;

/**
 * Computes the weighted sums of a bag.
 *
 * Equation: y[r] = sum_j weights[r][j] values[ids[r][j]]
 * Shapes:   y [n_rows, value_dim] f32
 * Memory:   allocation: none
 * Errors:   PKM_ERR_ARG names a size or an id that is out of its range
 * Threads:  any thread
 * Since:    0.1
 */
PKM_API pkm_status pkm_bag_forward(float *y, const pkm_bag *bag);

/**
 * Bytes of scratch pkm_bag_backward needs; SIZE_MAX if a size is out of its range.
 *
 * Threads: any thread
 * Since:   0.1
 */
PKM_API size_t pkm_bag_workspace(const pkm_bag *bag);

/* The gradient of a bag: of its weights, and of the rows it read, each of them once. */
typedef struct pkm_bag_grad {
    float *weights;    /* out [n_rows, hits] f32; NULL: not wanted */
    int32_t *touched;  /* out [<= min(n_rows * hits, slots)] distinct ids, ascending */
    float *values;     /* out [n_touched, value_dim] f32, of the rows in `touched` */
    int64_t n_touched; /* out */
} pkm_bag_grad;

/**
 * Computes the gradient of a bag; every distinct row is read once.
 *
 * Equation: d weights[r][j] = dy[r] . values[ids[r][j]];
 *           d values[i] = sum over (r, j) with ids[r][j] = i of weights[r][j] dy[r]
 * Shapes:   dy [n_rows, value_dim] f32
 * Memory:   workspace of pkm_bag_workspace bytes, 64-byte aligned; allocation: none
 * Errors:   PKM_ERR_ARG names a size or an id that is out of its range
 * Threads:  any thread
 * Since:    0.1
 */
PKM_API pkm_status pkm_bag_backward(pkm_bag_grad *out, const float *dy, const pkm_bag *bag,
                                    void *workspace);

typedef enum pkm_value_optimizer {
    PKM_VALUES_ADAM,    /* torch.optim.SparseAdam: moments of touched rows only */
    PKM_VALUES_ADAGRAD, /* row-wise: one fp32 number per row, the sum of mean squares */
    PKM_VALUES_SGD,
    PKM_VALUES_ADAM_ROW /* Adam with one mean square per row, in fp32, and the mean in bf16 */
} pkm_value_optimizer;

/* A table of rows under an optimiser, and one step of it. Arrays whose rows of one number lie a
 * power of two apart are slow on some processors: leave a page between them. */
typedef struct pkm_rows {
    void *values;    /* [slots, value_dim] of dtype */
    pkm_dtype dtype; /* PKM_F32 or PKM_BF16 */
    int64_t slots, value_dim;
    pkm_value_optimizer optimizer;
    float *moment1; /* Adam: [slots, value_dim] mean; Adagrad: [slots] sum; else NULL */
    float *moment2; /* Adam: [slots, value_dim], Adam by row: [slots] mean square; else NULL */
    uint16_t *mean; /* Adam by row: [slots, value_dim] bf16; else NULL */
    uint64_t seed;  /* of the stochastic rounding of what is bf16 */
} pkm_rows;

/**
 * Updates rows of a table with their gradients; other rows are not touched.
 *
 * Equation: Adam    m = 0.9 m + 0.1 g; v = 0.999 v + 0.001 g^2;
 *                   V -= lr sqrt(1 - 0.999^t) / (1 - 0.9^t) m / (sqrt(v) + 1e-8)
 *           Adam by row: the same with v = 0.999 v + 0.001 mean(g^2), one number for the row;
 *                   m is stored in bf16, rounded stochastically
 *           Adagrad s = s + mean(g^2); V -= lr g / (sqrt(s) + 1e-10)
 *           SGD     V -= lr g                        with g = scale * gradient
 * Shapes:   touched [n_touched] i32, ascending; gradient [n_touched, value_dim] f32
 * Units:    t: step, from 1
 * Memory:   16 bytes per touched row and a row per thread, for the call
 * Errors:   PKM_ERR_ARG names a size, an id or a scalar that is out of its range; PKM_ERR_NOMEM;
 *           PKM_ERR_NUMERIC if a row or a moment of it is not finite afterwards
 * Threads:  any thread, not two on one table
 * Since:    0.1
 */
PKM_API pkm_status pkm_rows_update(const pkm_rows *rows, const int32_t *touched,
                                   const float *gradient, int64_t n_touched, int64_t t, float lr,
                                   float scale);

/* ---- 2. The value store --------------------------------------------------------------------- */

typedef struct pkm_store_config {
    int64_t slots, value_dim;
    pkm_dtype dtype; /* PKM_F32 or PKM_BF16 */
    pkm_value_optimizer optimizer;
    bool train;           /* false: no moments, step is refused */
    const char *map_path; /* NULL: in memory; else a scratch file that is created and mapped */
    uint64_t seed;        /* of stochastic rounding */
} pkm_store_config;

/* A table of slots x value_dim values, its moments, and the hits recorded since the last step. */
typedef struct pkm_store pkm_store;

/**
 * Makes a store; values and moments are zero.
 *
 * Memory:  in memory with huge pages asked for, each taken when it is first written (a table larger
 *          than what the machine has may be granted here); or in a file at map_path, which must
 *          not exist: it is a scratch area, nameless as soon as it is mapped, gone with the process
 * Errors:  PKM_ERR_ARG names the field that is out of its range; PKM_ERR_NOMEM (memory or disk);
 *          PKM_ERR_IO names map_path
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_store_create(pkm_store **out, const pkm_store_config *config);

/**
 * Releases a store; NULL is allowed. Layers that borrow it must have gone before.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_store_destroy(pkm_store *store);

/**
 * Fills the values: V ~ N(0, value_dim^-1/2).
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_store_init(pkm_store *store, uint64_t seed);

/**
 * Computes the norm of the row gradients recorded since the last step, over all rows.
 *
 * Errors:  PKM_ERR_NUMERIC if it is not finite; PKM_ERR_STATE if the store is not trained
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_store_grad_norm(pkm_store *store, double *out);

/**
 * Applies the optimiser to the rows hit since the last step (pkm_rows_update) and forgets the hits.
 *
 * Units:   t: step, from 1; grad_scale: factor of the gradients (clipping)
 * Errors:  PKM_ERR_STATE if the store is not trained; PKM_ERR_ARG for t, lr or grad_scale out of
 *          range; PKM_ERR_NOMEM; PKM_ERR_NUMERIC if a row's gradient has overflowed: no row has
 *          been changed then; or if a row that was hit or a moment of it is not finite, which it
 *          was not before either. The hits are forgotten in both cases
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_store_step(pkm_store *store, int64_t t, float lr, float grad_scale);

/**
 * Forgets the hits recorded since the last step.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_store_discard(pkm_store *store);

/* ---- 3. The layer --------------------------------------------------------------------------- */

typedef enum pkm_query_norm { PKM_NORM_BATCH, PKM_NORM_LAYER, PKM_NORM_NONE } pkm_query_norm;
typedef enum pkm_gate { PKM_GATE_SOFTMAX, PKM_GATE_RELU, PKM_GATE_RAW } pkm_gate;
typedef enum pkm_output_gate { PKM_OUTPUT_GATE_NONE, PKM_OUTPUT_GATE_SWILU } pkm_output_gate;

typedef struct pkm_memory_config {
    int64_t dim;       /* D, width of x and y */
    int64_t heads;     /* H */
    int64_t n_keys;    /* n, sub-keys per half; slots = n^2 <= 46,340^2 */
    int64_t key_dim;   /* d_k, even: width of a whole query */
    int64_t topk;      /* k <= n; flat keys: k <= n^2 */
    int64_t value_dim; /* D_v; 0 = dim */
    pkm_query_norm query_norm;
    pkm_gate gate;
    pkm_output_gate output_gate; /* swilu brings a value projection with it */
    pkm_key_kind key_kind;       /* flat: slots stay n^2, H n^2 < 2^31 */
} pkm_memory_config;

/* How a layer that stands alone is run and trained; pkm_memory_options_init gives the defaults. */
typedef struct pkm_memory_options {
    int64_t max_tokens;                  /* rows of one call at most; 1024 */
    int64_t grad_accum;                  /* calls of backward before a step at most; 1 */
    bool train;                          /* false: no gradients, moments or hits; true */
    pkm_dtype precision;                 /* of the products, PKM_F32 or PKM_BF16; PKM_F32 */
    uint64_t seed;                       /* of initial values and stochastic rounding; 0 */
    double lr;                           /* of the projections (AdamW); 1e-3 */
    double key_lr;                       /* of keys and query network (AdamW); 1e-3 */
    double weight_decay;                 /* of the matrices among those; 0 */
    double clip;                         /* largest norm of the gradients of those; 0: off */
    double value_lr;                     /* of the values; 1e-3 */
    double value_clip;                   /* largest norm of the values' gradient; 0: off */
    pkm_dtype value_dtype;               /* PKM_F32 or PKM_BF16; PKM_F32 */
    pkm_value_optimizer value_optimizer; /* PKM_VALUES_ADAM */
    const char *map_path; /* NULL: values in memory; else a scratch file (pkm_store_create) */
} pkm_memory_options;

/**
 * Sets every field to its default.
 *
 * Threads: any thread
 * Since:   0.1
 */
PKM_API void pkm_memory_options_init(pkm_memory_options *out);

/* A layer with its parameters, activations and optimiser. */
typedef struct pkm_memory pkm_memory;

/**
 * Makes a layer with initial weights.
 *
 * Equation: q = norm(x W_q + b); I = k best slots by score; w = gate(scores on I);
 *           r = sum over heads and I of w_i V_i (Lample et al. 2019, section 3); y = r, or
 *           value_proj(r) where D_v != D, or value_proj(r * silu(swilu(x))) with the swilu gate
 * Memory:   *out is the caller's. store NULL: the layer makes and owns one; else it is borrowed
 *           (slots = n_keys^2, value_dim and train must fit) and the options about values are
 *           unused, value_lr and value_clip too: the caller steps the store
 * Errors:   PKM_ERR_ARG names the field that is out of its range; PKM_ERR_SHAPE if the store does
 *           not fit; PKM_ERR_NOMEM
 * Threads:  any thread
 * Since:    0.1
 */
PKM_API pkm_status pkm_memory_create(pkm_memory **out, const pkm_memory_config *config,
                                     const pkm_memory_options *options, pkm_store *store);

/**
 * Releases a layer, and its store if it owns it; NULL is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_memory_destroy(pkm_memory *memory);

/**
 * Computes y = layer(x).
 *
 * Shapes:  y, x [n_tokens, D] f32; mask [n_tokens] u8, 1 = a real token, 0 = padding (y = 0, left
 *          out of statistics, hits and usage); NULL: all real
 * Units:   train: use and update batch statistics and keep what backward needs; else running
 *          statistics are used. A training batch of one real row uses running statistics too
 * Memory:  allocation: none
 * Errors:  PKM_ERR_ARG if n_tokens is negative or above max_tokens; PKM_ERR_NUMERIC: a NaN score;
 *          PKM_ERR_STATE: train on a layer that was made without
 * Threads: one thread at a time per object (layers that share a store: per store)
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_forward(pkm_memory *memory, float *y, const float *x,
                                      int64_t n_tokens, const unsigned char *mask, bool train);

/**
 * Computes the gradients of the last training forward: dx is written, those of the parameters are
 * added up until the next step, the hits recorded in the store.
 *
 * Shapes:  dx [n_tokens, D] f32 (NULL: not wanted), dy [n_tokens, D] f32, of the last forward
 * Memory:  allocation: none
 * Errors:  PKM_ERR_STATE without a training forward, or more often than grad_accum before a step;
 *          PKM_ERR_NUMERIC if a gradient of the values is not finite. After a failure all that was
 *          added up since the last step is dropped
 * Threads: one thread at a time per object (layers that share a store: per store)
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_backward(pkm_memory *memory, float *dx, const float *dy);

/**
 * Takes one optimiser step with the gradients added up since the last: AdamW on the dense
 * parameters, the row optimiser on the values if the store is the layer's own.
 *
 * Errors:  PKM_ERR_STATE on a layer made without train or before a backward; PKM_ERR_NUMERIC names
 *          the tensor whose gradient is not finite or has exploded: nothing has been changed then;
 *          or the one that was not finite before the step
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_step(pkm_memory *memory);

/* A tensor of a layer: query.{weight,bias}, query_norm.{weight,bias,running_mean,running_var},
 * keys, values, value_proj.{weight,bias}, swilu.{weight,bias}. */
typedef struct pkm_memory_tensor {
    const char *name;
    pkm_dtype dtype; /* PKM_F32; values may be PKM_BF16 */
    int n_dims;
    int64_t dims[4];
    const void *data;  /* [dims] */
    const float *grad; /* [dims]; NULL for values, running statistics, layers without train */
} pkm_memory_tensor;

/**
 * The number of tensors of a layer.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int pkm_memory_tensor_count(const pkm_memory *memory);

/**
 * Describes the tensor at an index in [0, pkm_memory_tensor_count).
 *
 * Memory:  out's pointers are borrowed from the layer
 * Errors:  PKM_ERR_ARG for an index out of range
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_tensor_at(const pkm_memory *memory, pkm_memory_tensor *out,
                                        int index);

/**
 * Describes a tensor by its name.
 *
 * Memory:  out's pointers are borrowed from the layer
 * Errors:  PKM_ERR_ARG if the layer has no such tensor
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_tensor_find(const pkm_memory *memory, pkm_memory_tensor *out,
                                          const char *name);

/**
 * Replaces the contents of a tensor.
 *
 * Shapes:  data [count] f32, row-major, count = product of the tensor's dims (bf16: rounded)
 * Errors:  PKM_ERR_ARG if the layer has no such tensor; PKM_ERR_SHAPE for another count
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_tensor_write(pkm_memory *memory, const char *name, const float *data,
                                           int64_t count);

/**
 * Writes all tensors, with train also the optimiser's state, as one safetensors file.
 *
 * Errors:  PKM_ERR_IO or PKM_ERR_NOMEM name the file; an older file of that name then stays whole
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_save(const pkm_memory *memory, const char *path);

/**
 * Reads what pkm_memory_save wrote into a layer of the same sizes; training goes on with the same
 * bits as if it had not stopped. Optimiser state is needed by layers made with train only.
 *
 * Errors:  PKM_ERR_IO, PKM_ERR_FORMAT name file and tensor, PKM_ERR_NUMERIC one that is not finite;
 *          the layer's contents are then undefined
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_load(pkm_memory *memory, const char *path);

enum { PKM_USAGE_RANKS = 64 }; /* most places at which a distribution is recorded */

/* Usage of one memory layer over an evaluation; head -1: all heads together. Fractions in [0, 1].
 */
typedef struct pkm_usage {
    int layer, head;
    int64_t slots;
    double used, top1_used;     /* share of slots with any weight; that were some read's best */
    double kl, kl_count;        /* ln(slots) + sum z ln z, z by weights; by counts */
    double gini;                /* 1 - 2 mean(cumulated ascending z); uniform: -1/slots */
    double top50, top90, top99; /* share of slots that hold that share of the mass */
    int n_ranks;                /* the distribution: the slots sorted by mass, largest first, ... */
    int64_t rank[PKM_USAGE_RANKS]; /* ... at these places, 1 to slots, evenly apart in log scale */
    double mass[PKM_USAGE_RANKS];  /* the share of all mass that the slot there has */
} pkm_usage;

/**
 * Starts to count how slots are read in forward, from zero. Padding does not count.
 *
 * Memory:  17 bytes per slot and head until the layer goes
 * Errors:  PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_usage_start(pkm_memory *memory);

/**
 * Stops to count; the figures stay.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_memory_usage_stop(pkm_memory *memory);

/**
 * Computes the figures of one head, or of all heads together (head -1); out->layer is 0.
 *
 * Equation: Lample et al. 2019, section 4.2; top1_used: Kim and Jung 2020
 * Errors:   PKM_ERR_STATE if counting was never started; PKM_ERR_ARG for a head out of range;
 *           PKM_ERR_NOMEM
 * Threads:  concurrent calls allowed on a const object
 * Since:    0.1
 */
PKM_API pkm_status pkm_memory_usage(const pkm_memory *memory, pkm_usage *out, int head);

#ifdef __cplusplus
}
#endif

#endif
