/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weighted bags of rows:
 *
 *   out[r] = sum_j weights[r, j] * values[ids[r, j]]      r < n_rows, j < hits, in the order of j
 *
 * out [n_rows, value_dim] f32 (overwritten; zero if hits is 0); values [*, value_dim] f32, bf16 or
 * int8 (whose scales are in the caller's weights); ids, weights [n_rows, hits]. Sizes >= 0, any
 * alignment; out overlaps nothing. NaN and infinity propagate. Variants sum in fp32, the reference
 * in double.
 */
#ifndef PKM_KERNELS_BAG_H
#define PKM_KERNELS_BAG_H

#include <stdint.h>

typedef void pkm_bag_fn(float *restrict out, const void *restrict values,
                        const int32_t *restrict ids, const float *restrict weights, int64_t n_rows,
                        int64_t hits, int64_t value_dim);

pkm_bag_fn pkm_bag_f32_ref, pkm_bag_f32_avx2, pkm_bag_f32_avx512;
pkm_bag_fn pkm_bag_f32_neon;
pkm_bag_fn pkm_bag_bf16_ref, pkm_bag_bf16_avx2, pkm_bag_bf16_avx512;
pkm_bag_fn pkm_bag_bf16_neon;
pkm_bag_fn pkm_bag_i8_ref, pkm_bag_i8_avx2, pkm_bag_i8_avx512;
pkm_bag_fn pkm_bag_i8_neon;

#endif
