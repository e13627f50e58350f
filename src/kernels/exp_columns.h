/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponentials of a block whose columns are the rows of a softmax, and their sums:
 *
 *   power[i, j] = exp(x[i, j] - shift[j]);   sum[j] = sum_i power[i, j]      i < m, j < n
 *
 * with the difference taken into [-87, 88] first; NaN stays NaN. The sum is in fp32, in order of i,
 * of the powers before they are rounded. `pairs` holds rows 2 l and 2 l + 1 of the powers
 * interleaved, [(m + 1) / 2, n, 2], the row after the last one being 0: B of a block product.
 * x_row, power_row: elements from one row to the next. n is a multiple of 16, m >= 0; any
 * alignment; nothing overlaps.
 */
#ifndef PKM_KERNELS_EXP_COLUMNS_H
#define PKM_KERNELS_EXP_COLUMNS_H

#include <stdint.h>

typedef struct pkm_exp_columns {
    int64_t m, n;
    const float *x;
    int64_t x_row;
    const float *shift; /* [n] */
    float *sum;         /* [n] */
    void *power;        /* f32 or bf16 by the kernel; NULL: only the sums are wanted */
    int64_t power_row;
    uint16_t *pairs; /* bf16 with `power` only */
} pkm_exp_columns;

typedef void pkm_exp_columns_fn(const pkm_exp_columns *block);

pkm_exp_columns_fn pkm_exp_columns_f32_ref, pkm_exp_columns_bf16_ref;
pkm_exp_columns_fn pkm_exp_columns_f32_avx2, pkm_exp_columns_bf16_avx2;
pkm_exp_columns_fn pkm_exp_columns_f32_avx512, pkm_exp_columns_bf16_avx512;
pkm_exp_columns_fn pkm_exp_columns_bf16_avx512bf16;
pkm_exp_columns_fn pkm_exp_columns_f32_neon, pkm_exp_columns_bf16_neon;

#endif
