/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out[i, j] = (or += if add)  factor[i] * in[i, j]        i < n_rows, j < n_columns
 *
 * for out in bf16 (nearest, ties to even; NaN stays NaN) or f32, in f32; factor NULL: 1. Rows start
 * out_row and in_row elements apart; any alignment, sizes >= 0; out may be in.
 */
#ifndef PKM_KERNELS_STORE_ROWS_H
#define PKM_KERNELS_STORE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pkm_store_rows {
    int64_t n_rows, n_columns;
    void *out;
    const float *in, *factor;
    int64_t out_row, in_row;
    bool add;
} pkm_store_rows;

typedef void pkm_store_rows_fn(const pkm_store_rows *job);

pkm_store_rows_fn pkm_store_rows_f32_ref, pkm_store_rows_bf16_ref;
pkm_store_rows_fn pkm_store_rows_f32_avx2, pkm_store_rows_bf16_avx2;
pkm_store_rows_fn pkm_store_rows_f32_neon, pkm_store_rows_bf16_neon;
pkm_store_rows_fn pkm_store_rows_f32_avx512, pkm_store_rows_bf16_avx512;
pkm_store_rows_fn pkm_store_rows_bf16_avx512bf16;

#endif
