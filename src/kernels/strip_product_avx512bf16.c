/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

static inline vec pairs_fma(vec a, vec b, vec sum)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

#include "kernels/strip_product_simd.h"

void pkm_strip_product_bf16_avx512bf16(const pkm_strip_product *product)
{
    product_all(product, true);
}
