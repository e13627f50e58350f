/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dot products of queries with the sub-keys of one (head, half):
 *
 *   scores[q, i] = queries[q, :] . key i        q < n_queries, i < 64 n_panels
 *
 * Keys are packed in panels of 64, so that one step over the width reads whole vectors of keys:
 *
 *   f32    panels [n_panels, width, 64] f32
 *   bf16   panels [n_panels, width / 2, 64, 2] bf16; width even
 *
 * scores [n_queries, 64 n_panels] f32, 64-byte aligned; queries in the dtype of the panels, row q
 * at queries + q * query_stride elements; panels 64-byte aligned. Sizes >= 0; no overlap. A score
 * has the same bits for any n_queries. Variants sum in fp32, the reference in double.
 *
 * Only levels that multiply bf16 have variants of their own for it: a product of two bf16 numbers
 * is exact in fp32, so that elsewhere the f32 variants on rounded queries and keys do the same, as
 * fast as the level allows (memory/search.c).
 */
#ifndef PKM_KERNELS_HALF_SCORES_H
#define PKM_KERNELS_HALF_SCORES_H

#include <stdint.h>

enum { PKM_PANEL_KEYS = 64 };

typedef void pkm_half_scores_fn(float *restrict scores, const void *restrict queries,
                                const void *restrict panels, int64_t n_queries,
                                int64_t query_stride, int64_t n_panels, int64_t width);

pkm_half_scores_fn pkm_half_scores_f32_ref, pkm_half_scores_f32_avx2, pkm_half_scores_f32_avx512;
pkm_half_scores_fn pkm_half_scores_f32_neon;
pkm_half_scores_fn pkm_half_scores_bf16_ref, pkm_half_scores_bf16_avx512bf16;
pkm_half_scores_fn pkm_half_scores_bf16_amx;

#endif
