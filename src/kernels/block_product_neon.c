/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/pairs_simd.h"

#include "kernels/block_product_simd.h"

void pkm_block_product_f32_neon(const pkm_block_product *product)
{
    product_all(product, false);
}

void pkm_block_product_bf16_neon(const pkm_block_product *product)
{
    product_all(product, true);
}
