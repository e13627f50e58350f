/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

#include "kernels/pairs_simd.h"

#include "kernels/strip_product_simd.h"

void pkm_strip_product_f32_avx512(const pkm_strip_product *product)
{
    product_all(product, false);
}

void pkm_strip_product_bf16_avx512(const pkm_strip_product *product)
{
    product_all(product, true);
}
