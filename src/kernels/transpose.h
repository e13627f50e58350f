/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out[j * out_step + i] = in[i * in_step + j]        i < n_rows, j < n_columns
 *
 * for elements of 2 bytes (bf16) or 4 (f32), moved as bits; steps in elements; any alignment, any
 * size may be 0, no overlap.
 */
#ifndef PKM_KERNELS_TRANSPOSE_H
#define PKM_KERNELS_TRANSPOSE_H

#include <stdint.h>

typedef void pkm_transpose_fn(void *restrict out, int64_t out_step, const void *restrict in,
                              int64_t in_step, int64_t n_rows, int64_t n_columns);

pkm_transpose_fn pkm_transpose_f32_ref, pkm_transpose_f32_avx2, pkm_transpose_f32_avx512;
pkm_transpose_fn pkm_transpose_bf16_ref, pkm_transpose_bf16_avx2, pkm_transpose_bf16_avx512;

#endif
