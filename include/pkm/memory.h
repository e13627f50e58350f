/* SPDX-License-Identifier: Apache-2.0 */
/* The memory layer with product keys, usable alone. */
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

typedef enum pkm_query_norm { PKM_NORM_BATCH, PKM_NORM_LAYER, PKM_NORM_NONE } pkm_query_norm;
typedef enum pkm_gate { PKM_GATE_SOFTMAX, PKM_GATE_RELU, PKM_GATE_RAW } pkm_gate;
typedef enum pkm_output_gate { PKM_OUTPUT_GATE_NONE, PKM_OUTPUT_GATE_SWILU } pkm_output_gate;
typedef enum pkm_value_optimizer {
    PKM_VALUES_ADAM,    /* torch.optim.SparseAdam: moments of touched rows only */
    PKM_VALUES_ADAGRAD, /* row-wise: one fp32 number per row, the sum of mean squares */
    PKM_VALUES_SGD
} pkm_value_optimizer;

typedef struct pkm_memory_config {
    int64_t dim;       /* D, width of x and y */
    int64_t heads;     /* H */
    int64_t n_keys;    /* n, sub-keys per half; slots = n^2 <= 46,340^2 */
    int64_t key_dim;   /* d_k, even: width of a whole query */
    int64_t topk;      /* k <= n */
    int64_t value_dim; /* D_v; 0 = dim */
    pkm_query_norm query_norm;
    pkm_gate gate;
    pkm_output_gate output_gate; /* swilu brings a value projection with it */
} pkm_memory_config;

typedef struct pkm_store_config {
    int64_t slots, value_dim;
    pkm_dtype dtype; /* PKM_F32 or PKM_BF16 */
    pkm_value_optimizer optimizer;
    bool train;           /* false: no moments, step is refused */
    const char *map_path; /* NULL: in memory; else a scratch file that is created and mapped */
    uint64_t seed;        /* of stochastic rounding */
} pkm_store_config;

typedef struct pkm_store pkm_store;
PKM_API pkm_status pkm_store_create(pkm_store **out, const pkm_store_config *config);
PKM_API void pkm_store_destroy(pkm_store *store);

/* Usage of one memory layer over an evaluation; head -1: all heads together. Fractions in [0, 1].
 */
typedef struct pkm_usage {
    int layer, head;
    int64_t slots;
    double used, top1_used; /* share of slots read at all; that were some read's best */
    double kl, kl_count;    /* ln(slots) + sum z ln z, z by weights; by counts */
    double gini;
    double top50, top90, top99; /* share of slots that hold that share of the mass */
} pkm_usage;

#ifdef __cplusplus
}
#endif

#endif
