/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#include "kernels/pairs_simd.h"

#include "kernels/block_product_simd.h"

void pkm_block_product_f32_avx2(const pkm_block_product *product)
{
    product_all(product, false);
}

void pkm_block_product_bf16_avx2(const pkm_block_product *product)
{
    product_all(product, true);
}
