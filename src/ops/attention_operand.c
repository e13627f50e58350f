/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attention_operand.h"

#include <string.h>

#include "base/size.h"
#include "kernels/kernels.h"

pkm_operand pkm_operand_left_t(pkm_dtype dtype, void *buffer, int64_t row, pkm_operand left,
                               int64_t m, int64_t n)
{
    uint16_t *out = buffer;

    pkm_kernels_get()->transpose[dtype](buffer, row, left.data, left.row, m, n);
    for (int64_t j = 0; j < n && dtype == PKM_BF16 && m % 2 != 0; j++)
        out[j * row + m] = 0;
    return (pkm_operand){buffer, row};
}

pkm_operand pkm_operand_right(pkm_dtype dtype, void *buffer, pkm_operand rows, int64_t k, int64_t n)
{
    uint16_t *out = buffer;
    const uint16_t *in = rows.data;

    if (dtype == PKM_F32)
        return rows;
    for (int64_t l = 0; l < k; l += 2) {
        const uint16_t *even = in + l * rows.row;

        /* A last even row pairs with itself: it meets the zero of the left operand. */
        pkm_kernels_get()->interleave(out + l * n, even, l + 1 < k ? even + rows.row : even, n);
    }
    return (pkm_operand){buffer, 2 * n};
}

pkm_operand pkm_operand_right_t(pkm_dtype dtype, void *buffer, int64_t row, pkm_operand rows,
                                int64_t k, int64_t n)
{
    /* A pair of bf16 in a row moves as one element of 4 bytes. */
    int64_t pair = dtype == PKM_BF16 ? 2 : 1;
    size_t rest = (size_t)(pkm_operand_columns(n) - n) * sizeof(float);
    float *out = buffer;

    pkm_kernels_get()->transpose[PKM_F32](out, row, rows.data, rows.row / pair, n, k / pair);
    for (int64_t l = 0; l < k / pair && rest > 0; l++)
        memset(out + l * row + n, 0, rest);
    return (pkm_operand){buffer, row * pair};
}

void pkm_operand_product(pkm_dtype dtype, float *c, int64_t c_row, pkm_operand left,
                         pkm_operand right, int64_t m, int64_t n, int64_t k, bool add)
{
    pkm_kernels_get()->block_product[dtype](&(pkm_block_product){
        .m = m,
        .n = n,
        .k = dtype == PKM_BF16 ? (k + 1) / 2 * 2 : k,
        .c = c,
        .a = left.data,
        .b = right.data,
        .c_row = c_row,
        .a_row = left.row,
        .b_row = right.row,
        .add = add,
    });
}
