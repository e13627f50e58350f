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
typedef __m512i vec_int; /* VEC numbers of 32 bits */

/* Lanes; vectors per row of a tile of 4 rows that the registers hold. */
enum { VEC = 16, VEC_TILE = 4 };

static inline __mmask16 vec_lanes(int64_t left)
{
    return (__mmask16)(left >= VEC ? 0xffffu : (1u << left) - 1);
}

static inline vec_int vec_int_set(int32_t x)
{
    return _mm512_set1_epi32(x);
}

/* 0, 1, 2, ... */
static inline vec_int vec_int_lanes(void)
{
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline vec_int vec_int_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void vec_int_store(int32_t *p, vec_int x)
{
    _mm512_storeu_si512(p, x);
}

static inline vec_int vec_int_add(vec_int a, vec_int b)
{
    return _mm512_add_epi32(a, b);
}

static inline vec_int vec_int_mul(vec_int a, vec_int b)
{
    return _mm512_mullo_epi32(a, b);
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

/* The first or second elements of pairs of bf16 in the lanes, as f32. */
static inline vec vec_first(vec pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16));
}

static inline vec vec_second(vec pairs)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32((int)0xffff0000u)));
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

/* Rounded to bf16; with AVX512-BF16 denormals become 0. */
static inline void vec_store_bf16(uint16_t *p, vec x, int64_t left)
{
#ifdef __AVX512BF16__
    _mm256_mask_storeu_epi16(p, vec_lanes(left), (__m256i)_mm512_cvtneps_pbh(x));
#else
    __m512i upper = _mm512_srli_epi32(_mm512_castps_si512(vec_round_bf16(x)), 16);

    _mm512_mask_cvtepi32_storeu_epi16(p, vec_lanes(left), upper);
#endif
}

/* Two vectors rounded to bf16, the first in the lower half. */
typedef __m512i vec_two;

static inline vec_two vec_round_two(vec a, vec b)
{
#ifdef __AVX512BF16__
    return (__m512i)_mm512_cvtne2ps_pbh(b, a);
#else
    const __m512i upper =
        _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                         25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);

    return _mm512_permutex2var_epi16(_mm512_castps_si512(vec_round_bf16(a)), upper,
                                     _mm512_castps_si512(vec_round_bf16(b)));
#endif
}

/* Each of the two at a place of its own. */
static inline void vec_store_two(uint16_t *a, uint16_t *b, vec_two x)
{
    _mm256_storeu_si256((void *)a, _mm512_castsi512_si256(x));
    _mm256_storeu_si256((void *)b, _mm512_extracti64x4_epi64(x, 1));
}

/* Lane by lane, the element of the first before that of the second. */
static inline void vec_store_pairs(uint16_t *p, vec_two x)
{
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);

    _mm512_storeu_si512(p, _mm512_permutexvar_epi16(order, x));
}

/* x in lanes [first, last), 0 elsewhere; any first and last. */
static inline vec vec_between(vec x, int64_t first, int64_t last)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __mmask16 from = _mm512_cmpge_epi32_mask(lane, _mm512_set1_epi32((int)first));

    return _mm512_maskz_mov_ps(
        _mm512_mask_cmplt_epi32_mask(from, lane, _mm512_set1_epi32((int)last)), x);
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

/* Lane i of x where bit `bit` of i is clear, else of y. */
static inline vec vec_by_bit(vec x, vec y, int bit)
{
    return _mm512_mask_blend_ps(_mm512_test_epi32_mask(vec_int_lanes(), _mm512_set1_epi32(bit)), x,
                                y);
}

/* Lane i becomes lane i ^ flip: moved within fours, which is quick, then by whole fours. */
static inline vec vec_flip(vec x, int flip)
{
    switch (flip & 3) {
    case 1:
        x = _mm512_permute_ps(x, 0xb1);
        break;
    case 2:
        x = _mm512_permute_ps(x, 0x4e);
        break;
    case 3:
        x = _mm512_permute_ps(x, 0x1b);
        break;
    }
    switch (flip >> 2) {
    case 1:
        return _mm512_shuffle_f32x4(x, x, 0xb1);
    case 2:
        return _mm512_shuffle_f32x4(x, x, 0x4e);
    case 3:
        return _mm512_shuffle_f32x4(x, x, 0x1b);
    }
    return x;
}

static inline vec vec_gather(const float *p, const int32_t *at)
{
    return _mm512_i32gather_ps(_mm512_loadu_si512(at), p, sizeof *p);
}

/* p[0], p[1], ... = the lanes whose bit is set; a whole vector is written. */
static inline void vec_store_some(float *p, vec x, uint64_t lanes)
{
    _mm512_storeu_ps(p, _mm512_maskz_compress_ps((__mmask16)lanes, x));
}

static inline void vec_int_store_some(int32_t *p, vec_int x, uint64_t lanes)
{
    _mm512_storeu_si512(p, _mm512_maskz_compress_epi32((__mmask16)lanes, x));
}

/* out[0], out[1], ... = first + the number of each of 64 bits that is set; room for 64 is used.
 * Returns how many are set. */
static inline int32_t vec_store_numbers(int32_t *out, uint64_t bits, int32_t first)
{
#ifdef __AVX512VBMI2__
    const __m512i step = _mm512_set1_epi32(0x04040404);
    __m512i lanes =
        _mm512_add_epi8(_mm512_mullo_epi32(vec_int_lanes(), step), _mm512_set1_epi32(0x03020100));
    __m512i numbers = _mm512_maskz_compress_epi8(bits, lanes), base = _mm512_set1_epi32(first);

    _mm512_storeu_si512(
        out, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(numbers))));
    for (int32_t i = VEC; i < __builtin_popcountll(bits); i += VEC) {
        numbers = _mm512_shuffle_i32x4(numbers, numbers, 0x39); /* the next 16 bytes */
        _mm512_storeu_si512(
            out + i, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(numbers))));
    }
#else
    for (int32_t i = 0; i < 64; i += VEC) {
        uint64_t lanes = bits >> i & 0xffff;

        vec_int_store_some(out, vec_int_add(vec_int_set(first + i), vec_int_lanes()), lanes);
        out += __builtin_popcountll(lanes);
    }
#endif
    return __builtin_popcountll(bits);
}

/* How many lanes were found: */
typedef int32_t vec_tally;

static inline vec_tally vec_tally_none(void)
{
    return 0;
}

/* and those where a > b; or a == b and i < j. */
static inline vec_tally vec_tally_above(vec_tally found, vec a, vec b)
{
    return found + __builtin_popcountll(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ));
}

static inline vec_tally vec_tally_tied(vec_tally found, vec a, vec b, vec_int i, vec_int j)
{
    __mmask16 before = _mm512_cmplt_epi32_mask(i, j);

    return found + __builtin_popcountll(_mm512_mask_cmp_ps_mask(before, a, b, _CMP_EQ_OQ));
}

static inline int32_t vec_tally_sum(vec_tally found)
{
    return found;
}

#endif
