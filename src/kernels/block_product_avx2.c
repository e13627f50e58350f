/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#include "kernels/block_product_simd.h"

void pkm_block_product_avx2(const pkm_block_product *product)
{
    product_all(product);
}
