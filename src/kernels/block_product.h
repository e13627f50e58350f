/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small matrix products inside attention, one thread, blocks that stay in cache:
 *
 *   C[i, j] = (or += if add)  sum_l A[i, l] * B[l, j],   i < m, j < n, l < k
 *
 *   f32    A [m, k] f32, B [k, n] f32
 *   bf16   A [m, k] bf16; B [k / 2, n, 2] bf16, rows 2 l and 2 l + 1 interleaved; k even
 *
 * a_row, b_row, c_row: elements from one row (B in bf16: pair of rows) to the next. C is f32 and
 * overlaps neither A nor B. Any alignment; m, n, k >= 0 (k = 0 sums to 0). Variants sum in fp32.
 */
#ifndef PKM_KERNELS_BLOCK_PRODUCT_H
#define PKM_KERNELS_BLOCK_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pkm_block_product {
    int64_t m, n, k;
    float *c;
    const void *a, *b;
    int64_t c_row, a_row, b_row;
    bool add;
} pkm_block_product;

typedef void pkm_block_product_fn(const pkm_block_product *product);

pkm_block_product_fn pkm_block_product_f32_ref, pkm_block_product_bf16_ref;
pkm_block_product_fn pkm_block_product_f32_avx2, pkm_block_product_bf16_avx2;
pkm_block_product_fn pkm_block_product_f32_neon, pkm_block_product_bf16_neon;
pkm_block_product_fn pkm_block_product_f32_avx512, pkm_block_product_bf16_avx512;
pkm_block_product_fn pkm_block_product_bf16_avx512bf16, pkm_block_product_bf16_amx;

#endif
