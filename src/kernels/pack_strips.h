/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows `in` [n_rows, n_columns] (in_step elements apart) into strips of 16 columns, as a strip
 * product wants its B (kernels/strip_product.h); out is that of row 0, strip_step elements from one
 * strip to the next. Zeros fill up the last strip, and rows to a multiple of PKM_STRIP_STEP. Any
 * size >= 0; nothing overlaps. A copy: the same bits in every variant.
 */
#ifndef PKM_KERNELS_PACK_STRIPS_H
#define PKM_KERNELS_PACK_STRIPS_H

#include <stdint.h>

typedef void pkm_pack_strips_fn(void *restrict out, int64_t strip_step, const void *restrict in,
                                int64_t in_step, int64_t n_rows, int64_t n_columns);

pkm_pack_strips_fn pkm_pack_strips_f32_ref, pkm_pack_strips_f32_avx2, pkm_pack_strips_f32_avx512;
pkm_pack_strips_fn pkm_pack_strips_f32_neon;
pkm_pack_strips_fn pkm_pack_strips_bf16_ref, pkm_pack_strips_bf16_avx512;

#endif
