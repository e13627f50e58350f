/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selection for k <= 64 without ranking a whole half; include after a vec_<isa>.h.
 *
 *   1. Of each half the maxima of 32 groups, ranked. k sums of them give a lower bound of the k-th
 *      best sum of all.
 *   2. A sub-key is kept if its sum with the other half's best reaches the bound: a sum, rounded to
 *      fp32 like all sums, so that no slot is lost (comparing with a difference could lose one).
 *      About 15 of 512 remain.
 *   3. The kept are ranked; the sums of the listed pairs of ranks that reach the bound, about 40 of
 *      119 at k = 32, are ranked.
 *
 * Ranks come from counting: each score is compared with each, a vector at a time, which at these
 * numbers takes less than sorting. The rest (large k, many ties, sums that overflow) goes to the
 * reference.
 */
#include "kernels/select.h"

#include <float.h>
#include <math.h>

/* More than KEPT candidates of a half go to the reference. */
enum { GROUPS = 32, PANEL = 64, KEPT = 256, BISECTIONS = 5 };

/* Some sub-keys of a half; scores are -infinity in the vector after the last. */
typedef struct sub_keys {
    int32_t count;
    int32_t index[KEPT + PANEL];
    float score[KEPT + PANEL];
} sub_keys;

/* The best sub-keys of a half by rank; ranks without one score -infinity. */
typedef struct ranking {
    int32_t index[PKM_SELECT_LISTED];
    float score[PKM_SELECT_LISTED + VEC];
} ranking;

/* Sums of pairs of ranks; -infinity in the vector after the last. */
typedef struct pair_sums {
    int32_t count;
    int32_t pair[PKM_SELECT_PAIRS + VEC]; /* number in the plan's list */
    float sum[PKM_SELECT_PAIRS + 2 * VEC];
} pair_sums;

/* rank[i] = how many scores come before score i: higher ones, and equal ones on its left. Both
 * arrays are rounded up to whole vectors, score with -infinity; whole vectors are compared, because
 * loops of few lengths are foreseen by the processor. */
static inline void rank_all(int32_t *rank, const float *score, int32_t count)
{
    for (int32_t i = 0; i < count; i += VEC) {
        vec x = vec_load_all(score + i);
        vec_counts before = vec_counts_zero();
        int32_t j = 0;

        for (; j < i; j++)
            before = vec_count_ge(before, vec_set(score[j]), x);
#pragma GCC unroll 16
        for (int lane = 0; lane < VEC; lane++)
            before = vec_count_before(before, vec_set(score[i + lane]), x, lane);
        for (j += VEC; j < count; j += VEC)
#pragma GCC unroll 16
            for (int lane = 0; lane < VEC; lane++)
                before = vec_count_gt(before, vec_set(score[j + lane]), x);
        vec_counts_store(rank + i, before);
    }
}

/* ---- 1. The bound ---- */

/* best [GROUPS + VEC] = the maxima of groups of a half in order, then -infinity. Returns zero in
 * all lanes if all scores are finite. */
static inline vec rank_groups(float *best, const float *half, int64_t n_padded)
{
    vec top[GROUPS / VEC], finite = vec_set(0);
    float maxima[GROUPS];
    int32_t rank[GROUPS];

#pragma GCC unroll 4
    for (int c = 0; c < GROUPS / VEC; c++)
        top[c] = vec_set(-FLT_MAX);
    for (int64_t i = 0; i < n_padded; i += GROUPS) {
#pragma GCC unroll 4
        for (int c = 0; c < GROUPS / VEC; c++) {
            vec score = vec_load_all(half + i + c * VEC);

            top[c] = vec_max(top[c], score);
            finite = vec_fma(score, vec_set(0), finite);
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < GROUPS / VEC; c++)
        vec_store(maxima + c * VEC, top[c], VEC);
    rank_all(rank, maxima, GROUPS);
    for (int i = 0; i < GROUPS; i++)
        best[rank[i]] = maxima[i];
    vec_store(best + GROUPS, vec_set(-INFINITY), VEC);
    return finite;
}

/* The sums of the listed pairs of ranks below n_ranks, in the order of the list: the row of rank a
 * has k / (a + 1) of them, so that the upper half of the ranks make one pair each. */
static inline int32_t add_pairs(float *sum, const float *score1, const float *score2,
                                const pkm_select_plan *plan, int32_t n_ranks)
{
    int32_t last = plan->topk < n_ranks ? plan->topk : n_ranks;
    int32_t count = 0, a = 0;

    for (; a < last && plan->row[a] > 1; a++) {
        int32_t row = plan->row[a] < n_ranks ? plan->row[a] : n_ranks;

        for (int32_t b = 0; b < row; b += VEC)
            vec_store(sum + count + b, vec_add(vec_set(score1[a]), vec_load_all(score2 + b)), VEC);
        count += row;
    }
    for (; a < last; a += VEC, count += VEC)
        vec_store(sum + count, vec_add(vec_load_all(score1 + a), vec_set(score2[0])), VEC);
    count -= a - last;
    vec_store(sum + count, vec_set(-INFINITY), VEC);
    return count;
}

static inline int32_t count_reaching(const float *sum, int32_t count, float bound)
{
    int32_t reaching = 0;

    for (int32_t i = 0; i < count; i += VEC)
        reaching += __builtin_popcountll(vec_reaches(vec_load_all(sum + i), vec_set(bound)));
    return reaching;
}

/* At least k slots have a sum of at least this; sums of -infinity never reach it. */
static inline float lower_bound(const float *best1, const float *best2, const pkm_select_plan *plan)
{
    const int32_t topk = plan->topk;
    float sum[PKM_SELECT_PAIRS + 2 * VEC];
    int32_t count = add_pairs(sum, best1, best2, plan, GROUPS), side = 1;
    float low, high = best1[0] + best2[0];

    /* The first `side` ranks of both halves make k pairs; so does the first with all. */
    while (side * side < topk)
        side++;
    low = best1[side - 1] + best2[side - 1];
    if (topk <= GROUPS) {
        low = fmaxf(low, best1[0] + best2[topk - 1]);
        low = fmaxf(low, best1[topk - 1] + best2[0]);
    }
    for (int i = 0; i < BISECTIONS; i++) {
        float middle = low + 0.5f * (high - low);

        if (count_reaching(sum, count, middle) >= topk)
            low = middle;
        else
            high = middle;
    }
    return fmaxf(low, -FLT_MAX);
}

/* ---- 2. Candidates ---- */

/* The sub-keys that reach the bound with the other half's best; false if they are too many. */
static inline bool keep(sub_keys *out, const float *half, int64_t n_padded, float best_other,
                        float bound)
{
    int32_t count = 0;

    for (int64_t i = 0; i < n_padded && count <= KEPT; i += PANEL) {
#pragma GCC unroll 8
        for (int c = 0; c < PANEL; c += VEC) {
            vec sum = vec_add(vec_load_all(half + i + c), vec_set(best_other));

            count += vec_store_lanes(out->index + count, vec_reaches(sum, vec_set(bound)),
                                     (int32_t)i + c);
        }
    }
    out->count = count;
    if (count > KEPT)
        return false;
    for (int32_t i = 0; i < count; i++)
        out->score[i] = half[out->index[i]] + 0.0f; /* -0.0 becomes +0.0 */
    vec_store(out->score + count, vec_set(-INFINITY), VEC);
    return true;
}

static inline void rank_kept(ranking *out, const sub_keys *kept)
{
    int32_t rank[KEPT + VEC];

    for (int32_t r = 0; r < PKM_SELECT_LISTED + VEC; r += VEC)
        vec_store(out->score + r, vec_set(-INFINITY), VEC);
    rank_all(rank, kept->score, kept->count);
    for (int32_t i = 0; i < kept->count; i++) {
        if (rank[i] < PKM_SELECT_LISTED) {
            out->index[rank[i]] = kept->index[i];
            out->score[rank[i]] = kept->score[i];
        }
    }
}

/* ---- 3. Sums ---- */

/* The sums that reach the bound, in the order of the list. */
static inline void keep_sums(pair_sums *out, const float *sum, int32_t n_sums, float bound)
{
    int32_t count = 0;

    for (int32_t i = 0; i < n_sums; i += VEC)
        count += vec_store_lanes(out->pair + count,
                                 vec_reaches(vec_load_all(sum + i), vec_set(bound)), i);
    for (int32_t i = 0; i < count; i++)
        out->sum[i] = sum[out->pair[i]];
    vec_store(out->sum + count, vec_set(-INFINITY), VEC);
    out->count = count;
}

static inline void write_best(int32_t *ids, float *scores, const pair_sums *sums,
                              const ranking half[2], const pkm_select_plan *plan)
{
    int32_t rank[PKM_SELECT_PAIRS + VEC], order[PKM_SELECT_PAIRS];

    rank_all(rank, sums->sum, sums->count);
    for (int32_t i = 0; i < sums->count; i++)
        order[rank[i]] = i;
    for (int32_t j = 0; j < plan->topk; j++) {
        int32_t pair = sums->pair[order[j]];

        ids[j] = half[0].index[plan->rank1[pair]] * plan->n_keys + half[1].index[plan->rank2[pair]];
        scores[j] = sums->sum[order[j]];
    }
}

/* Fills up a half with the lowest finite score, which stands behind every sub-key. */
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
    float best[2][GROUPS + VEC], sum[PKM_SELECT_PAIRS + 2 * VEC], bound;
    vec finite = vec_set(0);
    int64_t n_padded = 0;
    sub_keys kept[2];
    ranking half[2];
    pair_sums sums;

    for (int h = 0; h < 2; h++) {
        n_padded = pad(halves[h], plan->n_keys);
        finite = vec_add(finite, rank_groups(best[h], halves[h], n_padded));
    }
    if (!(vec_sum(finite) == 0))
        return false;
    bound = lower_bound(best[0], best[1], plan);
    for (int h = 0; h < 2; h++) {
        if (!keep(&kept[h], halves[h], n_padded, best[1 - h][0], bound))
            return false;
        rank_kept(&half[h], &kept[h]);
    }
    keep_sums(&sums, sum, add_pairs(sum, half[0].score, half[1].score, plan, PKM_SELECT_LISTED),
              bound);
    if (sums.count < plan->topk)
        return false;
    write_best(ids, scores, &sums, half, plan);
    return true;
}
