/* SPDX-License-Identifier: Apache-2.0 */
/* The names of vec_avx512.h, where they are explained, for vectors of 4 floats. */
#ifndef PKM_KERNELS_VEC_NEON_H
#define PKM_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

typedef float32x4_t vec;
typedef int32x4_t vec_int;

enum { VEC = 4, VEC_TILE = 4 };

static inline uint32x4_t vec_lanes(int64_t left)
{
    static const int32_t lane[VEC] = {0, 1, 2, 3};

    return vcltq_s32(vld1q_s32(lane), vdupq_n_s32(left >= VEC ? VEC : (int32_t)left));
}

static inline vec_int vec_int_set(int32_t x)
{
    return vdupq_n_s32(x);
}

static inline vec_int vec_int_lanes(void)
{
    static const int32_t lane[VEC] = {0, 1, 2, 3};

    return vld1q_s32(lane);
}

static inline vec_int vec_int_load(const int32_t *p)
{
    return vld1q_s32(p);
}

static inline void vec_int_store(int32_t *p, vec_int x)
{
    vst1q_s32(p, x);
}

static inline vec_int vec_int_add(vec_int a, vec_int b)
{
    return vaddq_s32(a, b);
}

static inline vec_int vec_int_mul(vec_int a, vec_int b)
{
    return vmulq_s32(a, b);
}

static inline vec vec_set(float x)
{
    return vdupq_n_f32(x);
}

static inline vec vec_load_all(const float *p)
{
    return vld1q_f32(p);
}

static inline vec vec_load(const float *p, int64_t left)
{
    float some[VEC] = {0};

    if (left < VEC)
        p = memcpy(some, p, (size_t)left * sizeof *p);
    return vld1q_f32(p);
}

static inline vec vec_load_or(const float *p, int64_t left, vec other)
{
    return vbslq_f32(vec_lanes(left), vec_load(p, left), other);
}

static inline vec vec_load_bf16(const uint16_t *p, int64_t left)
{
    uint16_t some[VEC] = {0};

    if (left < VEC)
        p = memcpy(some, p, (size_t)left * sizeof *p);
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

static inline vec vec_load_i8(const int8_t *p, int64_t left)
{
    int8_t some[2 * VEC] = {0};

    memcpy(some, p, (size_t)(left < VEC ? left : VEC));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(some)))));
}

static inline vec vec_first(vec pairs)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(pairs), 16));
}

static inline vec vec_second(vec pairs)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xffff0000u)));
}

static inline void vec_store(float *p, vec x, int64_t left)
{
    float some[VEC];

    if (left >= VEC) {
        vst1q_f32(p, x);
        return;
    }
    vst1q_f32(some, x);
    memcpy(p, some, (size_t)left * sizeof *p);
}

static inline vec vec_round_bf16(vec x)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    uint32x4_t out = vbslq_u32(vceqq_f32(x, x), rounded, quiet);

    return vreinterpretq_f32_u32(vandq_u32(out, vdupq_n_u32(0xffff0000u)));
}

static inline void vec_store_bf16(uint16_t *p, vec x, int64_t left)
{
    uint16x4_t upper = vshrn_n_u32(vreinterpretq_u32_f32(vec_round_bf16(x)), 16);
    uint16_t some[VEC];

    if (left >= VEC) {
        vst1_u16(p, upper);
        return;
    }
    vst1_u16(some, upper);
    memcpy(p, some, (size_t)left * sizeof *p);
}

typedef uint16x4x2_t vec_two;

static inline vec_two vec_round_two(vec a, vec b)
{
    return (vec_two){{vshrn_n_u32(vreinterpretq_u32_f32(vec_round_bf16(a)), 16),
                      vshrn_n_u32(vreinterpretq_u32_f32(vec_round_bf16(b)), 16)}};
}

static inline void vec_store_two(uint16_t *a, uint16_t *b, vec_two x)
{
    vst1_u16(a, x.val[0]);
    vst1_u16(b, x.val[1]);
}

static inline void vec_store_pairs(uint16_t *p, vec_two x)
{
    vst2_u16(p, x);
}

static inline vec vec_between(vec x, int64_t first, int64_t last)
{
    static const int32_t lane[VEC] = {0, 1, 2, 3};
    int32x4_t lanes = vld1q_s32(lane);
    uint32x4_t inside = vandq_u32(vcgeq_s32(lanes, vdupq_n_s32((int32_t)first)),
                                  vcltq_s32(lanes, vdupq_n_s32((int32_t)last)));

    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), inside));
}

static inline vec vec_load_upper24(const uint32_t *p)
{
    return vcvtq_f32_u32(vshrq_n_u32(vld1q_u32(p), 8));
}

static inline vec vec_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return vdivq_f32(a, b);
}

static inline vec vec_reciprocal(vec x)
{
    return vdivq_f32(vdupq_n_f32(1.0f), x);
}

static inline vec vec_sqrt(vec x)
{
    return vsqrtq_f32(x);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline vec vec_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vec vec_unless_less(vec a, vec b, vec x)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltq_f32(a, b)));
}

static inline vec vec_round(vec x)
{
    return vrndnq_f32(x);
}

static inline vec vec_times_power(vec x, vec n)
{
    int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));

    return vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}

static inline float vec_sum(vec x)
{
    return vaddvq_f32(x);
}

static inline float vec_top(vec x)
{
    return vmaxvq_f32(x);
}

static inline uint64_t vec_reaches(vec a, vec b)
{
    static const uint32_t bit[VEC] = {1, 2, 4, 8};

    return vaddvq_u32(vandq_u32(vcgeq_f32(a, b), vld1q_u32(bit)));
}

static inline vec vec_by_bit(vec x, vec y, int bit)
{
    return vbslq_f32(vtstq_s32(vec_int_lanes(), vdupq_n_s32(bit)), y, x);
}

static inline vec vec_flip(vec x, int flip)
{
    if (flip & 1)
        x = vrev64q_f32(x);
    return flip & 2 ? vextq_f32(x, x, 2) : x;
}

static inline vec vec_gather(const float *p, const int32_t *at)
{
    const float some[VEC] = {p[at[0]], p[at[1]], p[at[2]], p[at[3]]};

    return vld1q_f32(some);
}

static inline void vec_int_store_some(int32_t *p, vec_int x, uint64_t lanes)
{
    int32_t all[VEC];

    vst1q_s32(all, x);
    for (int32_t lane = 0; lane < VEC; lane++) {
        *p = all[lane];
        p += lanes >> lane & 1;
    }
}

static inline void vec_store_some(float *p, vec x, uint64_t lanes)
{
    float all[VEC];

    vst1q_f32(all, x);
    for (int32_t lane = 0; lane < VEC; lane++) {
        *p = all[lane];
        p += lanes >> lane & 1;
    }
}

static inline int32_t vec_store_numbers(int32_t *out, uint64_t bits, int32_t first)
{
    int32_t count = 0;

    for (; bits != 0; bits &= bits - 1)
        out[count++] = first + __builtin_ctzll(bits);
    return count;
}

/* Lane by lane; one of a comparison that holds is -1. */
typedef int32x4_t vec_tally;

static inline vec_tally vec_tally_none(void)
{
    return vdupq_n_s32(0);
}

static inline vec_tally vec_tally_above(vec_tally found, vec a, vec b)
{
    return vsubq_s32(found, vreinterpretq_s32_u32(vcgtq_f32(a, b)));
}

static inline vec_tally vec_tally_tied(vec_tally found, vec a, vec b, vec_int i, vec_int j)
{
    uint32x4_t tied = vandq_u32(vceqq_f32(a, b), vcltq_s32(i, j));

    return vsubq_s32(found, vreinterpretq_s32_u32(tied));
}

static inline int32_t vec_tally_sum(vec_tally found)
{
    return vaddvq_s32(found);
}

#endif
