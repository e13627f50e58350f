/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Causal attention: its attributes, and the cache of keys and values that decoding extends.
 *
 *   in:  qkv [rows, 3 D] compute, in each row q, k, v, each of all heads; sequence, position [rows]
 *   out: [rows, D] compute, the heads side by side
 *
 * Rows of one sequence are adjacent and in order of position. TRAIN and SCORE: a row attends to
 * the rows of its sequence up to itself. DECODE: rows put their k and v into the cache at
 * (sequence, position) and attend to positions 0 .. their own; a position below the filled length
 * starts over from there.
 */
#ifndef PKM_OPS_ATTENTION_H
#define PKM_OPS_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pkm/dtype.h"

typedef struct pkm_kv_cache_config {
    int64_t n_layers, n_sequences, seq_len, dim;
    pkm_dtype dtype; /* the compute dtype of the tape */
} pkm_kv_cache_config;

/* One thread at a time. Fields are read-only outside src/ops. */
typedef struct pkm_kv_cache {
    pkm_kv_cache_config config;
    void *keys, *values; /* [n_layers, n_sequences, heads, seq_len, dim / heads] */
    size_t bytes;        /* of each */
    int64_t *filled;     /* [n_layers, n_sequences] positions that hold keys */
} pkm_kv_cache;

pkm_status pkm_kv_cache_create(pkm_kv_cache **out, const pkm_kv_cache_config *config);
void pkm_kv_cache_destroy(pkm_kv_cache *cache);

typedef struct pkm_attention_attr {
    int64_t n_heads;
    int64_t seq_len;     /* longest sequence */
    float dropout;       /* of the probabilities */
    pkm_kv_cache *cache; /* DECODE; borrowed */
    int64_t layer;       /* of the cache */
} pkm_attention_attr;

#endif
