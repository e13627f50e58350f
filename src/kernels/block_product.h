/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small fp32 matrix products inside attention, one thread, blocks that stay in cache:
 *
 *   C[i, j] = (or += if add)  sum_l A[i, l] * B[l, j],   i < m, j < n, l < k
 *
 * A[i, l] = a[i * a_row + l * a_step]: with a_row = 1 it is read transposed. B and C are row-major
 * with strides b_row >= n and c_row >= n. Any alignment; C overlaps neither A nor B; m, n, k >= 0
 * (k = 0 sums to 0). The order of the sum over l is fixed, whatever m and n.
 */
#ifndef PKM_KERNELS_BLOCK_PRODUCT_H
#define PKM_KERNELS_BLOCK_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pkm_block_product {
    int64_t m, n, k;
    float *c;
    int64_t c_row;
    const float *a;
    int64_t a_row, a_step;
    const float *b;
    int64_t b_row;
    bool add;
} pkm_block_product;

typedef void pkm_block_product_fn(const pkm_block_product *product);

pkm_block_product_fn pkm_block_product_ref, pkm_block_product_avx2, pkm_block_product_avx512;

#endif
