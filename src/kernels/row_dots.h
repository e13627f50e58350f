/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hits grouped by the row they read, and the backward of a bag with respect to its weights:
 *
 *   dots[i] = values[rows[g]] . upstream[sources[i]]      for first <= g < last,
 *                                                         starts[g] <= i < starts[g + 1]
 *
 * Each distinct row is read once, however many hits it has. dots is in the order of the groups'
 * hits and overlaps nothing; values f32 or bf16; any alignment. Variants sum in fp32, the reference
 * in double.
 */
#ifndef PKM_KERNELS_ROW_DOTS_H
#define PKM_KERNELS_ROW_DOTS_H

#include <stdint.h>

typedef struct pkm_row_hits {
    int64_t n_groups;       /* of which a call takes first .. last - 1 */
    const int32_t *rows;    /* [groups] ids of distinct rows */
    const int64_t *starts;  /* [groups + 1] group g owns hits starts[g] .. starts[g + 1] - 1 */
    const int32_t *sources; /* [hits] the upstream row of each hit */
    const float *weights;   /* [hits] */
} pkm_row_hits;

typedef void pkm_row_dots_fn(float *restrict dots, const void *restrict values,
                             const float *restrict upstream, const pkm_row_hits *hits,
                             int64_t first, int64_t last, int64_t value_dim);

pkm_row_dots_fn pkm_row_dots_f32_ref, pkm_row_dots_f32_avx2, pkm_row_dots_f32_avx512;
pkm_row_dots_fn pkm_row_dots_f32_neon;
pkm_row_dots_fn pkm_row_dots_bf16_ref, pkm_row_dots_bf16_avx2, pkm_row_dots_bf16_avx512;
pkm_row_dots_fn pkm_row_dots_bf16_neon;

#endif
