/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/block_product.h"

#include "base/dtype.h"

static double a_at(const pkm_block_product *p, int64_t i, int64_t l, bool bf16)
{
    int64_t at = i * p->a_row + l;

    return bf16 ? (double)pkm_bf16_to_f32(((const uint16_t *)p->a)[at])
                : (double)((const float *)p->a)[at];
}

static double b_at(const pkm_block_product *p, int64_t l, int64_t j, bool bf16)
{
    return bf16
               ? (double)pkm_bf16_to_f32(((const uint16_t *)p->b)[l / 2 * p->b_row + 2 * j + l % 2])
               : (double)((const float *)p->b)[l * p->b_row + j];
}

static void product(const pkm_block_product *p, bool bf16)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = p->add ? (double)p->c[i * p->c_row + j] : 0.0;

            for (int64_t l = 0; l < p->k; l++)
                sum += a_at(p, i, l, bf16) * b_at(p, l, j, bf16);
            p->c[i * p->c_row + j] = (float)sum;
        }
}

void pkm_block_product_f32_ref(const pkm_block_product *p)
{
    product(p, false);
}

void pkm_block_product_bf16_ref(const pkm_block_product *p)
{
    product(p, true);
}
