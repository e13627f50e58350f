/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sums[j] = sum_i in[i * step + j]        i < n_rows, j < n_columns
 *
 * in fp32, rows in order from 0.0f on, so bits are the same in every variant: callers sum few rows
 * at a time and add up in double. f32 or bf16, step in elements; any alignment, any size may be 0,
 * no overlap.
 */
#ifndef PKM_KERNELS_COLUMN_SUMS_H
#define PKM_KERNELS_COLUMN_SUMS_H

#include <stdint.h>

typedef void pkm_column_sums_fn(float *restrict sums, const void *restrict in, int64_t step,
                                int64_t n_rows, int64_t n_columns);

pkm_column_sums_fn pkm_column_sums_f32_ref, pkm_column_sums_f32_avx2, pkm_column_sums_f32_avx512;
pkm_column_sums_fn pkm_column_sums_f32_neon;
pkm_column_sums_fn pkm_column_sums_bf16_ref, pkm_column_sums_bf16_avx2, pkm_column_sums_bf16_avx512;
pkm_column_sums_fn pkm_column_sums_bf16_neon;

#endif
