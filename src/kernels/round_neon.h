/* SPDX-License-Identifier: Apache-2.0 */
/* The names of round_avx512.h, where they are explained, for vectors of 4. */
#ifndef PKM_KERNELS_ROUND_NEON_H
#define PKM_KERNELS_ROUND_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "base/rng.h"

enum { RANDOM_BLOCKS = 4 };

static inline void philox_multiply(uint32x4_t *high, uint32x4_t *low, uint32x4_t x, uint32_t factor)
{
    uint64x2_t first = vmull_n_u32(vget_low_u32(x), factor);
    uint64x2_t second = vmull_n_u32(vget_high_u32(x), factor);

    *high = vcombine_u32(vshrn_n_u64(first, 32), vshrn_n_u64(second, 32));
    *low = vcombine_u32(vmovn_u64(first), vmovn_u64(second));
}

/* Lane p computes block p. */
static inline void random_words(uint32_t words[4 * RANDOM_BLOCKS], const pkm_rng *rng,
                                uint64_t first)
{
    static const uint32_t lanes[RANDOM_BLOCKS] = {0, 1, 2, 3};
    const uint32x4_t block = vld1q_u32(lanes);
    uint32x4_t x0 = vaddq_u32(vdupq_n_u32((uint32_t)first), block);
    uint32x4_t x1 = vdupq_n_u32((uint32_t)(first >> 32));
    uint32x4_t x2 = vdupq_n_u32(rng->stream), x3 = vdupq_n_u32(rng->step);
    uint32_t key0 = (uint32_t)rng->seed, key1 = (uint32_t)(rng->seed >> 32);
    uint32x4x4_t out;

    x1 = vsubq_u32(x1, vcltq_u32(x0, block)); /* the carry */
    for (int round = 0; round < 10; round++) {
        uint32x4_t high0, low0, high1, low1;

        philox_multiply(&high0, &low0, x0, 0xD2511F53u);
        philox_multiply(&high1, &low1, x2, 0xCD9E8D57u);
        x0 = veorq_u32(veorq_u32(high1, x1), vdupq_n_u32(key0));
        x2 = veorq_u32(veorq_u32(high0, x3), vdupq_n_u32(key1));
        x1 = low1;
        x3 = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    out.val[0] = x0;
    out.val[1] = x1;
    out.val[2] = x2;
    out.val[3] = x3;
    vst4q_u32(words, out);
}

static inline void store_rounded(uint16_t *p, float32x4_t value, const uint16_t *random,
                                 int64_t left)
{
    uint32x4_t bits = vreinterpretq_u32_f32(value);
    uint32x4_t number = vceqq_f32(value, value);
    uint32x4_t finite = vcltq_f32(vabsq_f32(value), vdupq_n_f32(__builtin_inff()));
    uint16x4_t upper;
    uint16_t some[4];

    bits = vaddq_u32(bits, vandq_u32(finite, vmovl_u16(vld1_u16(random))));
    bits = vorrq_u32(bits, vbicq_u32(vdupq_n_u32(0x400000), number));
    upper = vshrn_n_u32(bits, 16);
    vst1_u16(some, upper);
    memcpy(p, some, (size_t)(left >= 4 ? 4 : left) * sizeof *p);
}

#endif
