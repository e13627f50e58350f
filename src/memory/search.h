/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact product-key search. For each row and head the `topk` best of n_keys^2 slots, in the order
 *
 *   rank the sub-keys of each half by (score descending, index ascending); slots by
 *   (fp32 sum of half scores descending, rank in half 1 ascending, rank in half 2 ascending).
 *
 * fp32 addition is monotonic, so a pair of ranks (a, b), counted from 1, can be among the k best
 * only if a * b <= k: pruning by ranks is exact to the last bit.
 */
#ifndef PKM_MEMORY_SEARCH_H
#define PKM_MEMORY_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pkm/dtype.h"

typedef struct pkm_search pkm_search;

typedef struct pkm_search_config {
    int64_t heads, n_keys, key_dim, topk;
    pkm_dtype compute; /* of the dot products: PKM_F32, or PKM_BF16 (queries and keys rounded) */
} pkm_search_config;

/* Holds packed keys and the constant list of rank pairs. */
pkm_status pkm_search_create(pkm_search **out, const pkm_search_config *config);
void pkm_search_destroy(pkm_search *search);

/* keys [H, 2, n, d_k/2] f32; again after each change of the keys. */
void pkm_search_pack(pkm_search *search, const float *keys);

/* Scratch of one thread; run needs pkm_threads() of them. */
size_t pkm_search_workspace(const pkm_search *search);

/*
 * ids, scores [n_rows, H, topk] = best slots and their scores, best first, from queries
 * [n_rows, H, d_k] f32. Rows in fixed blocks over the threads. PKM_ERR_NUMERIC if a half score
 * is NaN (ids are then valid but meaningless).
 */
pkm_status pkm_search_run(const pkm_search *search, int32_t *ids, float *scores,
                          const float *queries, int64_t n_rows, void *workspace);

#endif
