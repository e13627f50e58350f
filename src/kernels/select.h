/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The k best of n^2 slots from the half scores of each of some queries, exactly, in the order
 *
 *   rank the sub-keys of each half by (score descending, index ascending); slots by
 *   (fp32 sum descending, rank in half 1 ascending, rank in half 2 ascending)
 *
 * ids[j] = i1 * n + i2, scores[j] = s1[i1] + s2[i2], best first, j < k; those of the next row
 * out_stride >= k elements on. -0.0 equals +0.0. Every variant gives the same bits.
 *
 * halves[0], halves[1] are 64-byte aligned: n_rows rows of n scores, n rounded up to a multiple of
 * 64 apart; a variant may write what lies between. Returns false if one of the scores is NaN or
 * infinite: then the ids of its row are in range and otherwise meaningless. No overlap.
 */
#ifndef PKM_KERNELS_SELECT_H
#define PKM_KERNELS_SELECT_H

#include <stdbool.h>
#include <stdint.h>

/* Up to this k variants need not go to the reference. */
enum { PKM_SELECT_FAST = 128, PKM_SELECT_HOOKS = 12 };

/* What depends on the sizes alone. */
typedef struct pkm_select_plan {
    int32_t n_keys, topk; /* 1 <= k <= n <= 46,340 */

    /* If k <= PKM_SELECT_FAST: only pairs of ranks, from 0, with (rank1 + 1) * (rank2 + 1) <= k can
     * be among the k best. Those whose lower rank is m have their other rank below hook_end[m] = k
     * / (m + 1); all have their lower rank below n_hooks, the least whose square is at least k. */
    int32_t n_hooks, hook_end[PKM_SELECT_HOOKS];
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
                           int64_t n_rows, int64_t out_stride, const pkm_select_plan *plan,
                           const pkm_select_scratch *scratch);

pkm_select_fn pkm_select_ref, pkm_select_avx2, pkm_select_avx512;
pkm_select_fn pkm_select_avx512bf16;
pkm_select_fn pkm_select_neon;

#endif
