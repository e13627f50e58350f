/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vector of floats under names that do not say its width, so that one source (<family>_simd.h)
 * serves several instruction sets. `left` >= 1 counts the elements from p on: lanes beyond are 0
 * when loaded and not stored. vec_max(a, b) and vec_min(a, b) are b where either is NaN.
 */
#ifndef PKM_KERNELS_VEC_AVX512_H
#define PKM_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

typedef __m512 vec;
typedef __m512i vec_counts;

/* Lanes; vectors per row of a tile of 4 rows that the registers hold. */
enum { VEC = 16, VEC_TILE = 4 };

static inline __mmask16 vec_lanes(int64_t left)
{
    return (__mmask16)(left >= VEC ? 0xffffu : (1u << left) - 1);
}

static inline vec vec_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec vec_load(const float *p, int64_t left)
{
    return _mm512_maskz_loadu_ps(vec_lanes(left), p);
}

static inline vec vec_load_or(const float *p, int64_t left, vec other)
{
    return _mm512_mask_loadu_ps(other, vec_lanes(left), p);
}

static inline vec vec_load_all(const float *p)
{
    return _mm512_loadu_ps(p);
}

/* bf16 elements as f32 */
static inline vec vec_load_bf16(const uint16_t *p, int64_t left)
{
    __m256i half = _mm256_maskz_loadu_epi16(vec_lanes(left), p);

    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* int8 elements as f32 */
static inline vec vec_load_i8(const int8_t *p, int64_t left)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(vec_lanes(left), p)));
}

/* The first or second elements of VEC pairs of bf16, as f32. */
static inline vec vec_load_first(const uint16_t *pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(pairs), 16));
}

static inline vec vec_load_second(const uint16_t *pairs)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_loadu_si512(pairs), _mm512_set1_epi32((int)0xffff0000u)));
}

static inline void vec_store(float *p, vec x, int64_t left)
{
    _mm512_mask_storeu_ps(p, vec_lanes(left), x);
}

/* The nearest numbers that bf16 has, ties to even; a NaN stays one. */
static inline vec vec_round_bf16(vec x)
{
    const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff);
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, half));
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);

    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32((int)0xffff0000u)));
}

/* Rounded to bf16. */
static inline void vec_store_bf16(uint16_t *p, vec x, int64_t left)
{
    __m512i upper = _mm512_srli_epi32(_mm512_castps_si512(vec_round_bf16(x)), 16);

    _mm512_mask_cvtepi32_storeu_epi16(p, vec_lanes(left), upper);
}

/* The 24 upper bits of words, as floats: exact. */
static inline vec vec_load_upper24(const uint32_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_loadu_si512(p), 8));
}

static inline vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

/* 1 / x within 1 ULP for x in [1, 2^100]: the estimate, and one step of Newton's. */
static inline vec vec_reciprocal(vec x)
{
    vec estimate = _mm512_rcp14_ps(x);
    vec rest = _mm512_fnmadd_ps(x, estimate, _mm512_set1_ps(1.0f));

    return _mm512_fmadd_ps(estimate, rest, estimate);
}

static inline vec vec_sqrt(vec x)
{
    return _mm512_sqrt_ps(x);
}

/* a * b + c, rounded once */
static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

/* x where a >= b or either is NaN, else 0 */
static inline vec vec_unless_less(vec a, vec b, vec x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), x);
}

/* The nearest whole number, ties to even. */
static inline vec vec_round(vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x * 2^n for whole n in [-126, 127] */
static inline vec vec_times_power(vec x, vec n)
{
    return _mm512_scalef_ps(x, n);
}

static inline float vec_sum(vec x)
{
    return _mm512_reduce_add_ps(x);
}

static inline float vec_top(vec x)
{
    return _mm512_reduce_max_ps(x);
}

/* Bit i: a >= b in lane i. */
static inline uint64_t vec_reaches(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}

/* out[0], out[1], ... = first + each lane whose bit is set; a whole vector is written. Returns how
 * many bits are set. */
static inline int32_t vec_store_lanes(int32_t *out, uint64_t lanes, int32_t first)
{
    __m512i numbers =
        _mm512_add_epi32(_mm512_set1_epi32(first),
                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));

    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32((__mmask16)lanes, numbers));
    return __builtin_popcountll(lanes);
}

/* One more in the lanes where a >= b; where a > b; where a > b, or a == b in a lane after `lane`.
 */
static inline vec_counts vec_count_ge(vec_counts counts, vec a, vec b)
{
    return _mm512_mask_add_epi32(counts, _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), counts,
                                 _mm512_set1_epi32(1));
}

static inline vec_counts vec_count_gt(vec_counts counts, vec a, vec b)
{
    return _mm512_mask_add_epi32(counts, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), counts,
                                 _mm512_set1_epi32(1));
}

static inline vec_counts vec_count_before(vec_counts counts, vec a, vec b, int lane)
{
    __mmask16 tie = _mm512_mask_cmp_ps_mask((__mmask16)(0xfffeu << lane), a, b, _CMP_EQ_OQ);

    return _mm512_mask_add_epi32(counts, tie | _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), counts,
                                 _mm512_set1_epi32(1));
}

static inline vec_counts vec_counts_zero(void)
{
    return _mm512_setzero_si512();
}

static inline void vec_counts_store(int32_t *p, vec_counts counts)
{
    _mm512_storeu_si512(p, counts);
}

#endif
