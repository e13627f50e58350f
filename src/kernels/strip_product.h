/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows times a packed matrix, one thread, and what is done with the result on its way out:
 *
 *   s = sum_l A[i, l] B[l, j] + bias[j]          i < m, j < n, l < k
 *   y[i, j] = base[i, j] + s;   gelu[i, j] = gelu(y[i, j])
 *
 * A [m, k] is f32 or bf16, row after row. B has the same dtype and lies in strips of 16 columns,
 * the last one filled up with zeros: a strip holds, in f32, rows of 16; in bf16 pairs of rows,
 * interleaved, as many as fill up k to a multiple of PKM_STRIP_STEP. Its element (l, j) is
 *
 *   f32    b[j / 16 * b_strip + l * 16 + j % 16]
 *   bf16   b[j / 16 * b_strip + l / 2 * 32 + j % 16 * 2 + l % 2]
 *
 * y, base and gelu have y_dtype; gelu is that of y as it is stored. A_row, y_row, ...: elements
 * from one row to the next. base may be y; nothing else overlaps. B is aligned to 64 bytes; m, n
 * and k >= 0. Variants sum in fp32, every element in the same order whatever m and n are and
 * wherever it stands: a row of y depends on neither the rows nor the columns beside it.
 */
#ifndef PKM_KERNELS_STRIP_PRODUCT_H
#define PKM_KERNELS_STRIP_PRODUCT_H

#include <stdint.h>

#include "pkm/dtype.h"

enum { PKM_STRIP = 16, PKM_STRIP_STEP = 32 };

typedef struct pkm_strip_product {
    int64_t m, n, k;
    const void *a, *b;
    int64_t a_row, b_strip;
    void *y;
    pkm_dtype y_dtype; /* f32, or that of A and B */
    int64_t y_row;
    const float *bias; /* [n] or NULL */
    const void *base;  /* NULL: 0 */
    int64_t base_row;
    void *gelu; /* NULL: not wanted */
    int64_t gelu_row;
} pkm_strip_product;

typedef void pkm_strip_product_fn(const pkm_strip_product *product);

pkm_strip_product_fn pkm_strip_product_f32_ref, pkm_strip_product_bf16_ref;
pkm_strip_product_fn pkm_strip_product_f32_avx2, pkm_strip_product_bf16_avx2;
pkm_strip_product_fn pkm_strip_product_f32_neon, pkm_strip_product_bf16_neon;
pkm_strip_product_fn pkm_strip_product_f32_avx512, pkm_strip_product_bf16_avx512;
pkm_strip_product_fn pkm_strip_product_bf16_avx512bf16, pkm_strip_product_bf16_amx;

#endif
