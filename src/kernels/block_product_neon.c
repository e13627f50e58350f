/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

/* The first and the second elements of pairs of bf16, as floats. */
static inline vec pairs_first(vec pairs)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(pairs), 16));
}

static inline vec pairs_second(vec pairs)
{
    const uint32x4_t upper = vdupq_n_u32(0xffff0000u);

    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), upper));
}

static inline vec pairs_fma(vec a, vec b, vec sum)
{
    sum = vec_fma(pairs_first(a), pairs_first(b), sum);
    return vec_fma(pairs_second(a), pairs_second(b), sum);
}

#include "kernels/block_product_simd.h"

void pkm_block_product_f32_neon(const pkm_block_product *product)
{
    product_all(product, false);
}

void pkm_block_product_bf16_neon(const pkm_block_product *product)
{
    product_all(product, true);
}
