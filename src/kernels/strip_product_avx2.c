/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

/* The first and the second elements of pairs of bf16, as floats. */
static inline vec pairs_first(vec pairs)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
}

static inline vec pairs_second(vec pairs)
{
    const __m256i upper = _mm256_set1_epi32((int)0xffff0000u);

    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(pairs), upper));
}

static inline vec pairs_fma(vec a, vec b, vec sum)
{
    sum = vec_fma(pairs_first(a), pairs_first(b), sum);
    return vec_fma(pairs_second(a), pairs_second(b), sum);
}

#include "kernels/strip_product_simd.h"

void pkm_strip_product_f32_avx2(const pkm_strip_product *product)
{
    product_all(product, false);
}

void pkm_strip_product_bf16_avx2(const pkm_strip_product *product)
{
    product_all(product, true);
}
