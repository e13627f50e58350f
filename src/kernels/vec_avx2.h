/* SPDX-License-Identifier: Apache-2.0 */
/* The names of vec_avx512.h, where they are explained, for vectors of 8 floats. */
#ifndef PKM_KERNELS_VEC_AVX2_H
#define PKM_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m256 vec;
typedef __m256i vec_int;

enum { VEC = 8, VEC_TILE = 2 };

static inline __m256i vec_lanes(int64_t left)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left >= VEC ? VEC : (int)left), lane);
}

static inline vec_int vec_int_set(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static inline vec_int vec_int_lanes(void)
{
    return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
}

static inline vec_int vec_int_load(const int32_t *p)
{
    return _mm256_loadu_si256((const void *)p);
}

static inline void vec_int_store(int32_t *p, vec_int x)
{
    _mm256_storeu_si256((void *)p, x);
}

static inline vec_int vec_int_add(vec_int a, vec_int b)
{
    return _mm256_add_epi32(a, b);
}

static inline vec_int vec_int_mul(vec_int a, vec_int b)
{
    return _mm256_mullo_epi32(a, b);
}

static inline vec vec_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vec vec_load_all(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline vec vec_load(const float *p, int64_t left)
{
    return left >= VEC ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, vec_lanes(left));
}

static inline vec vec_load_or(const float *p, int64_t left, vec other)
{
    return _mm256_blendv_ps(other, vec_load(p, left), _mm256_castsi256_ps(vec_lanes(left)));
}

static inline vec vec_load_bf16(const uint16_t *p, int64_t left)
{
    uint16_t some[VEC] = {0};

    if (left < VEC)
        p = memcpy(some, p, (size_t)left * sizeof *p);
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)), 16));
}

static inline vec vec_load_i8(const int8_t *p, int64_t left)
{
    int8_t some[VEC] = {0};

    if (left < VEC)
        p = memcpy(some, p, (size_t)left);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)));
}

static inline vec vec_first(vec pairs)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
}

static inline vec vec_second(vec pairs)
{
    return _mm256_castsi256_ps(
        _mm256_and_si256(_mm256_castps_si256(pairs), _mm256_set1_epi32((int)0xffff0000u)));
}

static inline void vec_store(float *p, vec x, int64_t left)
{
    if (left >= VEC)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, vec_lanes(left), x);
}

static inline vec vec_round_bf16(vec x)
{
    const __m256i one = _mm256_set1_epi32(1), half = _mm256_set1_epi32(0x7fff);
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, half));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    vec out = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet),
                               _mm256_cmp_ps(x, x, _CMP_UNORD_Q));

    return _mm256_and_ps(out, _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000u)));
}

static inline void vec_store_bf16(uint16_t *p, vec x, int64_t left)
{
    __m256i upper = _mm256_srli_epi32(_mm256_castps_si256(vec_round_bf16(x)), 16);
    __m128i packed =
        _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
    uint16_t some[VEC];

    if (left >= VEC) {
        _mm_storeu_si128((void *)p, packed);
        return;
    }
    _mm_storeu_si128((void *)some, packed);
    memcpy(p, some, (size_t)left * sizeof *p);
}

typedef __m256i vec_two;

static inline vec_two vec_round_two(vec a, vec b)
{
    __m256i packed =
        _mm256_packus_epi32(_mm256_srli_epi32(_mm256_castps_si256(vec_round_bf16(a)), 16),
                            _mm256_srli_epi32(_mm256_castps_si256(vec_round_bf16(b)), 16));

    return _mm256_permute4x64_epi64(packed, 0xd8);
}

static inline void vec_store_two(uint16_t *a, uint16_t *b, vec_two x)
{
    _mm_storeu_si128((void *)a, _mm256_castsi256_si128(x));
    _mm_storeu_si128((void *)b, _mm256_extracti128_si256(x, 1));
}

static inline void vec_store_pairs(uint16_t *p, vec_two x)
{
    __m128i a = _mm256_castsi256_si128(x), b = _mm256_extracti128_si256(x, 1);

    _mm_storeu_si128((void *)p, _mm_unpacklo_epi16(a, b));
    _mm_storeu_si128((void *)(p + VEC), _mm_unpackhi_epi16(a, b));
}

static inline vec vec_between(vec x, int64_t first, int64_t last)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i before = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)first), lane);
    __m256i inside = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)last), lane);

    return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_andnot_si256(before, inside)));
}

static inline vec vec_load_upper24(const uint32_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_loadu_si256((const void *)p), 8));
}

static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

static inline vec vec_reciprocal(vec x)
{
    return _mm256_div_ps(_mm256_set1_ps(1.0f), x);
}

static inline vec vec_sqrt(vec x)
{
    return _mm256_sqrt_ps(x);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

static inline vec vec_unless_less(vec a, vec b, vec x)
{
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ), x);
}

static inline vec vec_round(vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vec vec_times_power(vec x, vec n)
{
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));

    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}

static inline float vec_sum(vec x)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float vec_top(vec x)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline uint64_t vec_reaches(vec a, vec b)
{
    return (uint64_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}

static inline vec vec_by_bit(vec x, vec y, int bit)
{
    __m256i odd = _mm256_cmpeq_epi32(_mm256_and_si256(vec_int_lanes(), _mm256_set1_epi32(bit)),
                                     _mm256_set1_epi32(bit));

    return _mm256_blendv_ps(x, y, _mm256_castsi256_ps(odd));
}

static inline vec vec_flip(vec x, int flip)
{
    return _mm256_permutevar8x32_ps(x, _mm256_xor_si256(vec_int_lanes(), _mm256_set1_epi32(flip)));
}

static inline vec vec_gather(const float *p, const int32_t *at)
{
    return _mm256_i32gather_ps(p, vec_int_load(at), sizeof *p);
}

/* The numbers of the lanes whose bit is set, then zeros. */
static inline vec_int vec_picked(uint64_t lanes)
{
    /* A byte of ones per lane whose bit is set picks that lane's number. */
    uint64_t picked = _pdep_u64(lanes, 0x0101010101010101u) * 255;
    uint64_t packed = _pext_u64(0x0706050403020100u, picked);

    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)packed));
}

static inline void vec_store_some(float *p, vec x, uint64_t lanes)
{
    _mm256_storeu_ps(p, _mm256_permutevar8x32_ps(x, vec_picked(lanes)));
}

static inline void vec_int_store_some(int32_t *p, vec_int x, uint64_t lanes)
{
    vec_int_store(p, _mm256_permutevar8x32_epi32(x, vec_picked(lanes)));
}

static inline int32_t vec_store_numbers(int32_t *out, uint64_t bits, int32_t first)
{
    for (int32_t i = 0; i < 64; i += VEC) {
        uint64_t lanes = bits >> i & 0xff;

        vec_int_store(out, vec_int_add(vec_int_set(first + i), vec_picked(lanes)));
        out += __builtin_popcountll(lanes);
    }
    return __builtin_popcountll(bits);
}

typedef int32_t vec_tally;

static inline vec_tally vec_tally_none(void)
{
    return 0;
}

static inline vec_tally vec_tally_above(vec_tally found, vec a, vec b)
{
    return found +
           __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)));
}

static inline vec_tally vec_tally_tied(vec_tally found, vec a, vec b, vec_int i, vec_int j)
{
    __m256 before = _mm256_castsi256_ps(_mm256_cmpgt_epi32(j, i));
    __m256 tied = _mm256_and_ps(before, _mm256_cmp_ps(a, b, _CMP_EQ_OQ));

    return found + __builtin_popcount((unsigned)_mm256_movemask_ps(tied));
}

static inline int32_t vec_tally_sum(vec_tally found)
{
    return found;
}

#endif
