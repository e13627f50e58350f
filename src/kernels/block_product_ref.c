/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/block_product.h"

void pkm_block_product_ref(const pkm_block_product *product)
{
    const pkm_block_product *p = product;

    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = p->add ? (double)p->c[i * p->c_row + j] : 0.0;

            for (int64_t l = 0; l < p->k; l++)
                sum += (double)p->a[i * p->a_row + l * p->a_step] * (double)p->b[l * p->b_row + j];
            p->c[i * p->c_row + j] = (float)sum;
        }
}
