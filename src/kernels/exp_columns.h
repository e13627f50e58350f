/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponentials of a block whose columns are the rows of a softmax, and their sums:
 *
 *   power[i, j] = exp(x[i, j] - shift[j]);   sum[j] = sum_i power[i, j]      i < m, j < n
 *
 * with the difference taken into [-87, 88] first; NaN stays NaN. The sum is in fp32, in order of i,
 * of the powers before they are rounded. `strips` holds the powers once more, as B [m, n] of a
 * strip product (kernels/strip_product.h); of what fills up m there, only the second row of the
 * last pair is written, zeros. x_row, power_row: elements from one row to the next; strip_step:
 * from one strip to the next. n is a multiple of 16, m >= 0; any alignment; nothing overlaps.
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
    void *strips; /* of the same dtype, with `power` only */
    int64_t strip_step;
} pkm_exp_columns;

typedef void pkm_exp_columns_fn(const pkm_exp_columns *block);

pkm_exp_columns_fn pkm_exp_columns_f32_ref, pkm_exp_columns_bf16_ref;
pkm_exp_columns_fn pkm_exp_columns_f32_avx2, pkm_exp_columns_bf16_avx2;
pkm_exp_columns_fn pkm_exp_columns_f32_avx512, pkm_exp_columns_bf16_avx512;
pkm_exp_columns_fn pkm_exp_columns_bf16_avx512bf16;
pkm_exp_columns_fn pkm_exp_columns_f32_neon, pkm_exp_columns_bf16_neon;

#endif
