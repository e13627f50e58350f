/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The k best of n^2 slots from the half scores of one query, exactly, in the order
 *
 *   rank the sub-keys of each half by (score descending, index ascending); slots by
 *   (fp32 sum descending, rank in half 1 ascending, rank in half 2 ascending)
 *
 * ids[j] = i1 * n + i2, scores[j] = s1[i1] + s2[i2], best first, j < k. -0.0 equals +0.0. Every
 * variant gives the same bits.
 *
 * halves[0], halves[1] are 64-byte aligned and hold n scores each; a variant may write the
 * elements from n up to the next multiple of 64. Returns false if one of the n scores is NaN or
 * infinite: then ids are in range and otherwise meaningless. No overlap.
 */
#ifndef PKM_KERNELS_SELECT_H
#define PKM_KERNELS_SELECT_H

#include <stdbool.h>
#include <stdint.h>

/* Up to this k the pairs of ranks are listed, for variants that try all of them at once. */
enum { PKM_SELECT_LISTED = 64, PKM_SELECT_PAIRS = 280 };

/* What depends on the sizes alone. */
typedef struct pkm_select_plan {
    int32_t n_keys, topk; /* 1 <= k <= n <= 46,340 */

    /* If k <= PKM_SELECT_LISTED: the pairs of ranks, from 0, with (rank1 + 1) * (rank2 + 1) <= k,
     * the only ones that can be among the k best, in ascending order; 280 for k = 64. */
    int32_t n_pairs;
    uint8_t row[PKM_SELECT_LISTED]; /* pairs of each rank1 */
    uint8_t rank1[PKM_SELECT_PAIRS], rank2[PKM_SELECT_PAIRS];
} pkm_select_plan;

void pkm_select_plan_init(pkm_select_plan *out, int64_t n_keys, int64_t topk);

/* Memory for one call; contents do not matter. */
typedef struct pkm_select_scratch {
    uint64_t *heap;    /* [n] */
    int32_t *next;     /* [k] */
    int32_t *index[2]; /* [k] sub-keys by rank */
    float *score[2];   /* [k] their scores */
} pkm_select_scratch;

typedef bool pkm_select_fn(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                           const pkm_select_plan *plan, const pkm_select_scratch *scratch);

pkm_select_fn pkm_select_ref, pkm_select_avx2, pkm_select_avx512;
pkm_select_fn pkm_select_neon;

#endif
