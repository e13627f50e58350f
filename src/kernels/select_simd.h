/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selection for k <= 128 without ranking a whole half; include after a vec_<isa>.h.
 *
 *   1. Of each half the maxima of 32 groups, in order. k sums of them give a lower bound of the
 *      k-th best sum of all.
 *   2. A sub-key is kept if its sum with the other half's best reaches the bound: a sum, rounded to
 *      fp32 like all sums, so that no slot is lost (comparing with a difference could lose one).
 *      About 15 of 512 remain. They are ranked.
 *   3. Of the sums of the kept whose ranks can be among the k best those that reach the bound,
 *      about 40 at k = 32, are ranked.
 *
 * Ranks come from counting: each score is compared with each, a vector at a time, which at these
 * numbers takes less than sorting, and needs no branch. The rest (larger k, many ties, sums that
 * overflow) goes to the reference.
 */
#include "kernels/select.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/row_simd.h"

/* More than KEPT candidates of a half go to the reference. */
enum {
    GROUPS = 32,
    GROUP_VECS = GROUPS / VEC,
    PANEL = 64,
    KEPT = 256,
    BOUND_STEPS = 16,
    BATCH = 8
};

/* Pairs of ranks come in hooks: hook m has the pairs whose lower rank is m, its row (m, m), (m, m +
 * 1), ... and its column (m + 1, m), (m + 2, m), ..., each rounded up to whole vectors. Room for
 * all of them at the largest k: 645 pairs, 11 hooks. */
enum { SUMS = 1024 };

/* Sub-keys or slots with their scores; in the vector after the last, scores of -infinity. Of
 * sub-keys of the first half the tag is n times the number, of those of the second the number
 * itself: the tags of a pair sum to the slot's id. */
typedef struct candidates {
    int32_t count;
    int32_t tag[SUMS + VEC];
    float score[SUMS + VEC];
} candidates;

/* What is known of a row after the first step: of each half the maxima of its groups in order, then
 * -infinity. */
typedef struct row_state {
    float best[2][GROUPS + VEC];
    float bound;
    bool finite;
} row_state;

/* ---- 1. The bound ---- */

/* A step of a sorting network: lanes whose numbers differ by `flip` in descending order; `bit` is
 * the highest of flip. */
PKM_INLINE vec descend(vec x, const int flip, const int bit)
{
    vec y = vec_flip(x, flip);

    return vec_by_bit(vec_max(x, y), vec_min(x, y), bit);
}

/* The lanes of a vector that rise, then fall, in descending order. */
PKM_INLINE vec sort_hill(vec x)
{
    if (VEC >= 16)
        x = descend(x, 8, 8);
    if (VEC >= 8)
        x = descend(x, 4, 4);
    x = descend(x, 2, 2);
    return descend(x, 1, 1);
}

/* The lanes of a vector in descending order: Batcher's bitonic network. */
PKM_INLINE vec sort_lanes(vec x)
{
    x = descend(x, 1, 1);
    x = descend(x, 3, 2);
    x = descend(x, 1, 1);
    if (VEC >= 8) {
        x = descend(x, 7, 4);
        x = descend(x, 2, 2);
        x = descend(x, 1, 1);
    }
    if (VEC >= 16) {
        x = descend(x, 15, 8);
        x = descend(x, 4, 4);
        x = descend(x, 2, 2);
        x = descend(x, 1, 1);
    }
    return x;
}

PKM_INLINE void order_two(vec *x, vec *y)
{
    vec low = vec_min(*x, *y);

    *x = vec_max(*x, *y);
    *y = low;
}

/* Two runs of n / 2 vectors, each in order, become one. */
PKM_INLINE void merge_runs(vec *x, const int n)
{
    vec low[GROUP_VECS];

#pragma GCC unroll 4
    for (int c = 0; c < n / 2; c++) {
        low[c] = vec_flip(x[n - 1 - c], VEC - 1);
        order_two(&x[c], &low[c]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < n / 2; c++)
        x[n / 2 + c] = low[c];
    for (int step = n / 4; step > 0; step /= 2)
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
            if ((c & step) == 0)
                order_two(&x[c], &x[c + step]);
#pragma GCC unroll 8
    for (int c = 0; c < n; c++)
        x[c] = sort_hill(x[c]);
}

PKM_INLINE void sort_groups(vec x[GROUP_VECS])
{
#pragma GCC unroll 8
    for (int c = 0; c < GROUP_VECS; c++)
        x[c] = sort_lanes(x[c]);
#pragma GCC unroll 4
    for (int c = 0; c < GROUP_VECS; c += 2)
        merge_runs(x + c, 2);
#pragma GCC unroll 2
    for (int c = 0; GROUP_VECS >= 4 && c < GROUP_VECS; c += 4)
        merge_runs(x + c, 4);
    if (GROUP_VECS == 8)
        merge_runs(x, 8);
}

/* Folds the maxima of groups of a half into top, and zeros into finite, unless a score is not. */
PKM_INLINE void scan(vec top[GROUP_VECS], vec finite[GROUP_VECS], const float *half,
                     int64_t n_padded)
{
#pragma GCC unroll 4
    for (int c = 0; c < GROUP_VECS; c++)
        top[c] = vec_set(-FLT_MAX);
    for (int64_t i = 0; i < n_padded; i += GROUPS) {
#pragma GCC unroll 4
        for (int c = 0; c < GROUP_VECS; c++) {
            vec score = vec_load_all(half + i + c * VEC);

            top[c] = vec_max(top[c], score);
            finite[c] = vec_fma(score, vec_set(0), finite[c]);
        }
    }
}

/* best = the maxima of the groups of each half in order; returns false if a score is not finite. */
PKM_INLINE bool rank_groups(float best[2][GROUPS + VEC], float *const halves[2], int64_t n_padded)
{
    vec top[2][GROUP_VECS], finite[GROUP_VECS];

#pragma GCC unroll 8
    for (int c = 0; c < GROUP_VECS; c++)
        finite[c] = vec_set(0);
    for (int h = 0; h < 2; h++)
        scan(top[h], finite, halves[h], n_padded);
    for (int h = 0; h < 2; h++)
        sort_groups(top[h]);
    for (int h = 0; h < 2; h++) {
#pragma GCC unroll 8
        for (int c = 0; c < GROUP_VECS; c++)
            vec_store(best[h] + c * VEC, top[h][c], VEC);
        vec_store(best[h] + GROUPS, vec_set(-INFINITY), VEC);
    }
#pragma GCC unroll 8
    for (int c = 1; c < GROUP_VECS; c++)
        finite[0] = vec_add(finite[0], finite[c]);
    return vec_sum(finite[0]) == 0;
}

/* sum, tag = the sums of all hooks of ranks below n_ranks, and of their tags (NULL: not wanted);
 * returns how many. */
PKM_INLINE int32_t add_hooks(float *sum, int32_t *tag, const float *const score[2],
                             const int32_t *const tags[2], const pkm_select_plan *plan,
                             int32_t n_ranks)
{
    int32_t count = 0;

    for (int32_t m = 0; m < plan->n_hooks; m++) {
        int32_t end = plan->hook_end[m] < n_ranks ? plan->hook_end[m] : n_ranks;

        for (int h = 1; h >= 0; h--)
            for (int32_t r = m + 1 - h; r < end; r += VEC, count += VEC) {
                vec_store(sum + count,
                          vec_add(vec_set(score[1 - h][m]), vec_load_all(score[h] + r)), VEC);
                if (tag != NULL)
                    vec_int_store(tag + count, vec_int_add(vec_int_set(tags[1 - h][m]),
                                                           vec_int_load(tags[h] + r)));
            }
    }
    return count;
}

PKM_INLINE int32_t count_reaching(const float *sum, int32_t count, float bound)
{
    int32_t reaching = 0;

    for (int32_t i = 0; i < count; i += VEC)
        reaching += __builtin_popcountll(vec_reaches(vec_load_all(sum + i), vec_set(bound)));
    return reaching;
}

/* bound = for each row a sum that at least k slots reach; -infinity reaches none. Rows are bisected
 * in step, for one's next step depends on its last. */
PKM_INLINE void lower_bounds(row_state *rows, int64_t n_rows, const pkm_select_plan *plan)
{
    const int32_t last = plan->n_hooks - 1;
    float sum[BATCH][SUMS], low[BATCH], step[BATCH];
    int32_t count = 0, steps[BATCH] = {0};

    /* The first n_hooks ranks of both halves make k pairs. The k-th best sum mostly lies in the
     * lower half between the last of them and the best of all: find how many steps above. */
    for (int64_t r = 0; r < n_rows; r++) {
        const float *const best[2] = {rows[r].best[0], rows[r].best[1]};

        count = add_hooks(sum[r], NULL, best, NULL, plan, GROUPS);
        low[r] = best[0][last] + best[1][last];
        step[r] = (best[0][0] + best[1][0] - low[r]) * (0.5f / BOUND_STEPS);
    }
    for (int32_t bit = BOUND_STEPS / 2; bit > 0; bit /= 2)
        for (int64_t r = 0; r < n_rows; r++) {
            float middle = low[r] + (float)(steps[r] + bit) * step[r];

            steps[r] += count_reaching(sum[r], count, middle) >= plan->topk ? bit : 0;
        }
    for (int64_t r = 0; r < n_rows; r++)
        rows[r].bound = fmaxf(steps[r] > 0 ? low[r] + (float)steps[r] * step[r] : low[r], -FLT_MAX);
}

/* ---- 2. Sub-keys ---- */

/* The sub-keys that reach the bound with the other half's best; false if they are too many. */
PKM_INLINE bool keep(candidates *out, const float *half, int64_t n_padded, float best_other,
                     float bound)
{
    int32_t count = 0;

    for (int64_t i = 0; i < n_padded && count <= KEPT; i += PANEL) {
        uint64_t reached = 0;

#pragma GCC unroll 16
        for (int c = 0; c < PANEL; c += VEC) {
            vec sum = vec_add(vec_load_all(half + i + c), vec_set(best_other));

            reached |= vec_reaches(sum, vec_set(bound)) << c;
        }
        count += vec_store_numbers(out->tag + count, reached, (int32_t)i);
    }
    out->count = count;
    if (count > KEPT)
        return false;
    vec_int_store(out->tag + count, vec_int_set(0));
    for (int32_t i = 0; i < count; i += VEC) /* -0.0 becomes +0.0 */
        vec_store(out->score + i, vec_add(vec_gather(half, out->tag + i), vec_set(0)), VEC);
    vec_store(out->score + count, vec_set(-INFINITY), VEC);
    return true;
}

/* Adds to `before`, for each lane of score x, how many of the candidates are higher. */
PKM_INLINE vec_int count_higher(const candidates *in, vec x)
{
    vec_int before = vec_int_set(0);

    for (int32_t j = 0; j < in->count; j += VEC)
#pragma GCC unroll 16
        for (int lane = 0; lane < VEC; lane++)
            before = vec_count_greater(before, vec_set(in->score[j + lane]), x);
    return before;
}

/* Adds how many are as high and have a lower number. */
PKM_INLINE vec_int count_tied(vec_int before, const candidates *in, const int32_t *number,
                              int32_t i)
{
    vec x = vec_load_all(in->score + i);
    vec_int own = vec_int_load(number + i);

    for (int32_t j = 0; j < in->count; j++)
        before = vec_count_tied(before, vec_set(in->score[j]), x, vec_int_set(number[j]), own);
    return before;
}

/* Puts the candidates in order, those with equal scores in that of `number`; if it is NULL no two
 * may be equal. Returns false if some were. */
PKM_INLINE bool rank_all(candidates *out, const candidates *in, const int32_t *number)
{
    int32_t rank[VEC], total = 0, padding = -in->count & (VEC - 1);

    for (int32_t i = 0; i < in->count; i += VEC) {
        vec_int before = count_higher(in, vec_load_all(in->score + i));

        if (number != NULL)
            before = count_tied(before, in, number, i);
        vec_int_store(rank, before);
#pragma GCC unroll 16
        for (int lane = 0; lane < VEC; lane++) { /* the padding goes behind the last */
            out->tag[rank[lane]] = in->tag[i + lane];
            out->score[rank[lane]] = in->score[i + lane];
            total += rank[lane];
        }
    }
    /* Ranks 0, 1, ... if all differ; less if some share one. */
    return total == in->count * (in->count - 1) / 2 + padding * in->count;
}

/* The same for sub-keys; ranks without one score -infinity. */
PKM_INLINE void rank_half(candidates *out, const candidates *in, const pkm_select_plan *plan)
{
    for (int32_t r = 0; r < plan->topk + VEC; r += VEC)
        vec_store(out->score + r, vec_set(-INFINITY), VEC);
    if (!rank_all(out, in, NULL))
        (void)rank_all(out, in, in->tag);
}

/* ---- 3. Sums ---- */

/* The sums that reach the bound. */
PKM_INLINE void keep_sums(candidates *out, const float *const score[2],
                          const int32_t *const tags[2], const pkm_select_plan *plan, float bound)
{
    float sum[SUMS];
    int32_t tag[SUMS], n_sums = add_hooks(sum, tag, score, tags, plan, plan->topk), count = 0;

    for (int32_t i = 0; i < n_sums; i += VEC) {
        vec x = vec_load_all(sum + i);
        uint64_t lanes = vec_reaches(x, vec_set(bound));

        vec_store_some(out->score + count, x, lanes);
        vec_int_store_some(out->tag + count, vec_int_load(tag + i), lanes);
        count += __builtin_popcountll(lanes);
    }
    vec_store(out->score + count, vec_set(-INFINITY), VEC);
    out->count = count;
}

/* Ranks sums of which some are equal: by their pairs of ranks. */
static __attribute__((noinline)) void rank_tied(candidates *out, const candidates *sums,
                                                const candidates half[2],
                                                const pkm_select_plan *plan, float bound)
{
    const float *const score[2] = {half[0].score, half[1].score};
    int32_t rank[2][PKM_SELECT_FAST + VEC];
    const int32_t *const ranks[2] = {rank[0], rank[1]};
    candidates pairs;

    for (int32_t r = 0; r < PKM_SELECT_FAST + VEC; r++) {
        rank[0][r] = r * PKM_SELECT_FAST;
        rank[1][r] = r;
    }
    keep_sums(&pairs, score, ranks, plan, bound);
    (void)rank_all(out, sums, pairs.tag);
}

/* Fills up a half with the lowest finite score, which stands behind every sub-key. */
PKM_INLINE void pad(float *half, int64_t n_keys, int64_t n_padded)
{
    for (int64_t i = n_keys; i < n_padded; i++)
        half[i] = -FLT_MAX;
}

/* Selects for one row; false, with nothing written, if it is a case for the reference. */
PKM_INLINE bool finish_row(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                           int64_t n_padded, const row_state *row, const pkm_select_plan *plan)
{
    candidates kept, half[2], sums, order;
    const float *const score[2] = {half[0].score, half[1].score};
    const int32_t *const tags[2] = {half[0].tag, half[1].tag};

    for (int h = 0; h < 2; h++) {
        if (!keep(&kept, halves[h], n_padded, row->best[1 - h][0], row->bound))
            return false;
        for (int32_t i = 0; h == 0 && i < kept.count; i += VEC)
            vec_int_store(kept.tag + i,
                          vec_int_mul(vec_int_load(kept.tag + i), vec_int_set(plan->n_keys)));
        rank_half(&half[h], &kept, plan);
    }
    keep_sums(&sums, score, tags, plan, row->bound);
    if (sums.count < plan->topk)
        return false;
    if (!rank_all(&order, &sums, NULL))
        rank_tied(&order, &sums, half, plan, row->bound);
    memcpy(ids, order.tag, (size_t)plan->topk * sizeof *ids);
    memcpy(scores, order.score, (size_t)plan->topk * sizeof *scores);
    return true;
}

PKM_INLINE bool select_all(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                           int64_t n_rows, int64_t out_stride, const pkm_select_plan *plan,
                           const pkm_select_scratch *scratch)
{
    int64_t n_padded = (plan->n_keys + PANEL - 1) / PANEL * PANEL;
    bool finite = true;

    if (plan->topk > PKM_SELECT_FAST)
        return pkm_select_ref(ids, scores, halves, n_rows, out_stride, plan, scratch);
    for (int64_t first = 0; first < n_rows; first += BATCH) {
        int64_t n = n_rows - first < BATCH ? n_rows - first : BATCH;
        row_state rows[BATCH];

        for (int64_t r = 0; r < n; r++) {
            float *const row[2] = {halves[0] + (first + r) * n_padded,
                                   halves[1] + (first + r) * n_padded};

            pad(row[0], plan->n_keys, n_padded);
            pad(row[1], plan->n_keys, n_padded);
            rows[r].finite = rank_groups(rows[r].best, row, n_padded);
        }
        lower_bounds(rows, n, plan);
        for (int64_t r = 0; r < n; r++) {
            float *const row[2] = {halves[0] + (first + r) * n_padded,
                                   halves[1] + (first + r) * n_padded};
            int64_t out = (first + r) * out_stride;

            if (!rows[r].finite ||
                !finish_row(ids + out, scores + out, row, n_padded, &rows[r], plan))
                finite &=
                    pkm_select_ref(ids + out, scores + out, row, 1, out_stride, plan, scratch);
        }
    }
    return finite;
}
