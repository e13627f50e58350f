/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrices laid out for the products of kernels/block_product.h, in f32 or bf16. Where the layout
 * is the one they have already, nothing is copied. Buffers hold whole rows of an even number of
 * elements: in bf16 products run over pairs, and a last odd one is joined by a zero.
 */
#ifndef PKM_OPS_ATTENTION_OPERAND_H
#define PKM_OPS_ATTENTION_OPERAND_H

#include <stdbool.h>
#include <stdint.h>

#include "pkm/dtype.h"

/* A matrix: elements from one row (a right operand in bf16: pair of rows) to the next. */
typedef struct pkm_operand {
    const void *data;
    int64_t row;
} pkm_operand;

/* Columns that a right operand of n columns has room for: products run over whole vectors. */
static inline int64_t pkm_operand_columns(int64_t n)
{
    return (n + 15) / 16 * 16;
}

/* The left operand [n, m] that is the transpose of a left operand [m, n]; buffer [n, row], where
 * row >= m. */
pkm_operand pkm_operand_left_t(pkm_dtype dtype, void *buffer, int64_t row, pkm_operand left,
                               int64_t m, int64_t n);

/* The right operand [k, n] of rows [k, n]. */
pkm_operand pkm_operand_right(pkm_dtype dtype, void *buffer, pkm_operand rows, int64_t k,
                              int64_t n);

/* The right operand [k, columns] of rows [n, k], zero beyond column n; k even in bf16; buffer
 * [k, row], where row >= pkm_operand_columns(n). */
pkm_operand pkm_operand_right_t(pkm_dtype dtype, void *buffer, int64_t row, pkm_operand rows,
                                int64_t k, int64_t n);

/* c [m, n] = or += left [m, k] right [k, n] */
void pkm_operand_product(pkm_dtype dtype, float *c, int64_t c_row, pkm_operand left,
                         pkm_operand right, int64_t m, int64_t n, int64_t k, bool add);

#endif
