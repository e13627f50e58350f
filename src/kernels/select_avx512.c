/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selection for k <= 64 without ranking a whole half:
 *
 *   1. The maxima of 64 groups per half; their best 16 in order. A pair of them with ranks (a, b)
 *      has at least a * b slots as good as it, so the best pair with a * b >= k bounds the k-th
 *      best sum from below.
 *   2. A sub-key is kept if its sum with the other half's best reaches the bound: a sum, compared
 *      in fp32 like all sums, so that rounding cannot lose a slot (a difference could). About 20
 *      of 512 remain.
 *   3. Ranks by counting: one comparison of each with each, 16 at a time.
 *   4. Sums of the listed pairs of ranks, again only those that reach the bound; ranks by counting.
 *
 * The rest (large k, many ties, sums that overflow) goes to the reference.
 */
#include "kernels/select.h"

#include <float.h>

#include <math.h>

#include "kernels/vec_avx512.h"

/* Candidates of a half; more than KEPT go to the reference. One panel is written past the end. */
enum { KEPT = 256, PANEL = 64 };

typedef struct candidates {
    int32_t count;
    int32_t index[KEPT + PANEL] __attribute__((aligned(64)));
    float score[KEPT + PANEL] __attribute__((aligned(64)));
} candidates;

/* The best of a half by rank: ranks without a sub-key score -infinity. */
typedef struct ranking {
    __m512i index[4];
    __m512 score[4];
} ranking;

/* ---- 1. The bound ---- */

/* Lanes in `lower` keep the lesser of themselves and their partner, the others the greater. */
static inline __m512 exchange(__m512 value, __m512 partner, __mmask16 lower)
{
    return _mm512_mask_min_ps(_mm512_max_ps(value, partner), lower, value, partner);
}

/* Sorts a bitonic sequence, descending. */
static inline __m512 sort_bitonic(__m512 v)
{
    v = exchange(v, _mm512_shuffle_f32x4(v, v, 0x4e), 0xff00);
    v = exchange(v, _mm512_shuffle_f32x4(v, v, 0xb1), 0xf0f0);
    v = exchange(v, _mm512_permute_ps(v, 0x4e), 0xcccc);
    return exchange(v, _mm512_permute_ps(v, 0xb1), 0xaaaa);
}

/* Batcher's bitonic network: runs of 2, 4 and 8 in alternating order, then the merge of 16. */
static inline __m512 sort_descending(__m512 v)
{
    v = exchange(v, _mm512_permute_ps(v, 0xb1), 0x6666);
    v = exchange(v, _mm512_permute_ps(v, 0x4e), 0x3c3c);
    v = exchange(v, _mm512_permute_ps(v, 0xb1), 0x5a5a);
    v = exchange(v, _mm512_shuffle_f32x4(v, v, 0xb1), 0x0ff0);
    v = exchange(v, _mm512_permute_ps(v, 0x4e), 0x33cc);
    v = exchange(v, _mm512_permute_ps(v, 0xb1), 0x55aa);
    return sort_bitonic(v);
}

/* The best 16 of two descending sequences, in order. */
static inline __m512 merge_best(__m512 a, __m512 b)
{
    const __m512i reversed = _mm512_set_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    return sort_bitonic(_mm512_max_ps(a, _mm512_permutexvar_ps(reversed, b)));
}

/* The best 16 of the maxima of 64 groups, in order. *finite stays zero if all scores are. */
static inline __m512 best_of_groups(const float *half, int64_t n_padded, __m512 *finite)
{
    __m512 best[4];

#pragma GCC unroll 4
    for (int c = 0; c < 4; c++)
        best[c] = _mm512_set1_ps(-FLT_MAX);
    for (int64_t i = 0; i < n_padded; i += PANEL) {
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) {
            __m512 score = _mm512_load_ps(half + i + 16 * c);

            best[c] = _mm512_max_ps(best[c], score);
            *finite = _mm512_fmadd_ps(score, _mm512_setzero_ps(), *finite);
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++)
        best[c] = sort_descending(best[c]);
    return merge_best(merge_best(best[0], best[1]), merge_best(best[2], best[3]));
}

/* At least k slots have a sum of at least this; sums of -infinity never reach it. */
static inline float lower_bound(__m512 best1, __m512 best2, const pkm_select_plan *plan)
{
    __m512 s1 = _mm512_permutexvar_ps(_mm512_loadu_si512(plan->bound1), best1);
    __m512 s2 = _mm512_permutexvar_ps(_mm512_loadu_si512(plan->bound2), best2);
    float bound = _mm512_reduce_max_ps(_mm512_add_ps(s1, s2));

    return bound > -FLT_MAX ? bound : -FLT_MAX;
}

/* ---- 2. Candidates ---- */

static inline __m512i lane_numbers(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* The sub-keys that reach the bound with the other half's best score, by index. */
static bool keep(candidates *out, const float *half, int64_t n_padded, float best_other,
                 float bound)
{
    const __m512 other = _mm512_set1_ps(best_other), limit = _mm512_set1_ps(bound);
    __m512i index = lane_numbers();
    int32_t count = 0;

    for (int64_t i = 0; i < n_padded && count <= KEPT; i += PANEL) {
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) {
            __m512 sum = _mm512_add_ps(_mm512_load_ps(half + i + 16 * c), other);
            __mmask16 kept = _mm512_cmp_ps_mask(sum, limit, _CMP_GE_OQ);

            _mm512_storeu_si512(out->index + count, _mm512_maskz_compress_epi32(kept, index));
            count += _mm_popcnt_u32(kept);
            index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
        }
    }
    out->count = count;
    return count <= KEPT;
}

/* Scores of the candidates, -0.0 as +0.0; -infinity up to the end of the last vector. */
static inline void gather_scores(candidates *kept, const float *half)
{
    for (int32_t i = 0; i < kept->count; i += 16) {
        __mmask16 lanes = vec_lanes(kept->count - i);
        __m512 score = _mm512_mask_i32gather_ps(_mm512_set1_ps(-INFINITY), lanes,
                                                _mm512_load_si512(kept->index + i), half, 4);

        _mm512_store_ps(kept->score + i, _mm512_add_ps(score, _mm512_setzero_ps()));
    }
}

/* ---- 3. Ranks ---- */

/* How many of 16 scores come before each of x: those above, and of equal ones those on its left.
 * `left`: all 16 lie left of x; `same`: they are x. */
static inline __attribute__((always_inline)) __m512i count_before(__m512i rank, __m512 x,
                                                                  const float *scores,
                                                                  const bool left, const bool same)
{
    const __m512i one = _mm512_set1_epi32(1);

#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
        __m512 score = _mm512_set1_ps(scores[j]);
        __mmask16 before = left ? _mm512_cmp_ps_mask(score, x, _CMP_GE_OQ)
                                : _mm512_cmp_ps_mask(score, x, _CMP_GT_OQ);

        if (same)
            before |= _mm512_mask_cmp_ps_mask((__mmask16)(0xfffe << j), score, x, _CMP_EQ_OQ);
        rank = _mm512_mask_add_epi32(rank, before, rank, one);
    }
    return rank;
}

/* Ranks of scores i .. i + 15 among `count`, rounded up to a multiple of 16. */
static inline __m512i rank_of(const float *scores, int32_t i, int32_t count)
{
    __m512 x = _mm512_load_ps(scores + i);
    __m512i rank = _mm512_setzero_si512();
    int32_t j = 0;

    for (; j < i; j += 16)
        rank = count_before(rank, x, scores + j, true, false);
    rank = count_before(rank, x, scores + j, false, true);
    for (j += 16; j < count; j += 16)
        rank = count_before(rank, x, scores + j, false, false);
    return rank;
}

static inline void rank_half(ranking *out, candidates *kept, const float *half)
{
    int32_t index[PKM_SELECT_LISTED] __attribute__((aligned(64)));
    float score[PKM_SELECT_LISTED] __attribute__((aligned(64)));

    for (int c = 0; c < 4; c++) {
        _mm512_store_si512(index + 16 * c, _mm512_setzero_si512());
        _mm512_store_ps(score + 16 * c, _mm512_set1_ps(-INFINITY));
    }
    gather_scores(kept, half);
    for (int32_t i = 0; i < kept->count; i += 16) {
        __mmask16 lanes = vec_lanes(kept->count - i);
        __m512i rank = rank_of(kept->score, i, kept->count);

        lanes = _mm512_mask_cmplt_epi32_mask(lanes, rank, _mm512_set1_epi32(PKM_SELECT_LISTED));
        _mm512_mask_i32scatter_epi32(index, lanes, rank, _mm512_load_si512(kept->index + i), 4);
        _mm512_mask_i32scatter_ps(score, lanes, rank, _mm512_load_ps(kept->score + i), 4);
    }
    for (int c = 0; c < 4; c++) {
        out->index[c] = _mm512_load_si512(index + 16 * c);
        out->score[c] = _mm512_load_ps(score + 16 * c);
    }
}

/* ---- 4. Sums ---- */

/* table[at], at < 64; `wide`: an `at` may be above 31. */
static inline __m512i look_up(const __m512i table[4], __m512i at, bool wide)
{
    __m512i low = _mm512_permutex2var_epi32(table[0], at, table[1]);
    __mmask16 upper = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));

    if (!wide)
        return low;
    return _mm512_mask_mov_epi32(low, upper, _mm512_permutex2var_epi32(table[2], at, table[3]));
}

static inline __m512 look_up_score(const __m512 table[4], __m512i at, bool wide)
{
    __m512i bits[4];

#pragma GCC unroll 4
    for (int c = 0; c < 4; c++)
        bits[c] = _mm512_castps_si512(table[c]);
    return _mm512_castsi512_ps(look_up(bits, at, wide));
}

/* Sums of the listed pairs that reach the bound, in the order of the list. */
typedef struct pair_sums {
    int32_t count;
    int32_t ranks[PKM_SELECT_PAIRS + 16]; /* rank1 << 8 | rank2 */
    float sum[PKM_SELECT_PAIRS + 16] __attribute__((aligned(64)));
} pair_sums;

static inline void add_pairs(pair_sums *out, const ranking half[2], const pkm_select_plan *plan,
                             float bound)
{
    const __m512 limit = _mm512_set1_ps(bound);
    const bool wide = plan->topk > 32;
    int32_t count = 0;

    for (int32_t i = 0; i < plan->n_pairs; i += 16) {
        __mmask16 lanes = vec_lanes(plan->n_pairs - i);
        __m512i a = _mm512_loadu_si512(plan->rank1 + i), b = _mm512_loadu_si512(plan->rank2 + i);
        __m512 sum = _mm512_add_ps(look_up_score(half[0].score, a, wide),
                                   look_up_score(half[1].score, b, wide));
        __m512i ranks = _mm512_or_si512(_mm512_slli_epi32(a, 8), b);

        lanes = _mm512_mask_cmp_ps_mask(lanes, sum, limit, _CMP_GE_OQ);
        _mm512_storeu_ps(out->sum + count, _mm512_maskz_compress_ps(lanes, sum));
        _mm512_storeu_si512(out->ranks + count, _mm512_maskz_compress_epi32(lanes, ranks));
        count += _mm_popcnt_u32(lanes);
    }
    _mm512_storeu_ps(out->sum + count, _mm512_set1_ps(-INFINITY));
    out->count = count;
}

static inline void write_best(int32_t *ids, float *scores, const pair_sums *pairs,
                              const ranking half[2], const pkm_select_plan *plan)
{
    const __m512i topk = _mm512_set1_epi32(plan->topk), n_keys = _mm512_set1_epi32(plan->n_keys);
    const bool wide = plan->topk > 32;

    for (int32_t i = 0; i < pairs->count; i += 16) {
        __mmask16 lanes = vec_lanes(pairs->count - i);
        __m512i rank = rank_of(pairs->sum, i, pairs->count);
        __m512i ranks = _mm512_loadu_si512(pairs->ranks + i);
        __m512i i1 = look_up(half[0].index, _mm512_srli_epi32(ranks, 8), wide);
        __m512i i2 = look_up(half[1].index, _mm512_and_si512(ranks, _mm512_set1_epi32(255)), wide);
        __m512i id = _mm512_add_epi32(_mm512_mullo_epi32(i1, n_keys), i2);

        lanes = _mm512_mask_cmplt_epi32_mask(lanes, rank, topk);
        _mm512_mask_i32scatter_epi32(ids, lanes, rank, id, 4);
        _mm512_mask_i32scatter_ps(scores, lanes, rank, _mm512_load_ps(pairs->sum + i), 4);
    }
}

/* The lowest finite score after the last sub-key: it stands behind all of them. */
static inline int64_t pad(float *half, int64_t n_keys)
{
    int64_t n_padded = (n_keys + PANEL - 1) / PANEL * PANEL;

    for (int64_t i = n_keys; i < n_padded; i++)
        half[i] = -FLT_MAX;
    return n_padded;
}

/* False, with nothing written, if this is a case for the reference. */
static bool select_listed(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                          const pkm_select_plan *plan)
{
    int64_t n_padded = pad(halves[0], plan->n_keys);
    __m512 best[2], finite = _mm512_setzero_ps();
    candidates kept[2];
    ranking half[2];
    pair_sums pairs;
    float bound;

    pad(halves[1], plan->n_keys);
    for (int h = 0; h < 2; h++)
        best[h] = best_of_groups(halves[h], n_padded, &finite);
    if (_mm512_cmp_ps_mask(finite, finite, _CMP_UNORD_Q))
        return false;
    bound = lower_bound(best[0], best[1], plan);
    for (int h = 0; h < 2; h++)
        if (!keep(&kept[h], halves[h], n_padded, _mm512_cvtss_f32(best[1 - h]), bound))
            return false;
    for (int h = 0; h < 2; h++)
        rank_half(&half[h], &kept[h], halves[h]);
    add_pairs(&pairs, half, plan, bound);
    if (pairs.count < plan->topk)
        return false;
    write_best(ids, scores, &pairs, half, plan);
    return true;
}

bool pkm_select_avx512(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                       const pkm_select_plan *plan, const pkm_select_scratch *scratch)
{
    if (plan->topk <= PKM_SELECT_LISTED && select_listed(ids, scores, halves, plan))
        return true;
    return pkm_select_ref(ids, scores, halves, plan, scratch);
}
