/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selection for k <= 128 without ranking a half; include after a vec_<isa>.h.
 *
 *   1. Of each half the maxima of 32 groups, in order. k sums of them give a lower bound of the
 *      k-th best sum of all.
 *   2. A sub-key is kept if its sum with the other half's best may reach the bound: about 15 of
 *      512 remain.
 *   3. Of the sums of all pairs of them those that reach the bound, about 42 at k = 32, are ranked.
 *
 * Ranks come from counting: each sum is compared with all, a vector at a time, which at these
 * numbers takes less than sorting, and needs no branch. The rest (larger k, many ties, sums that
 * overflow) goes to the reference.
 *
 * A stage is done for all rows of a batch before the next: it reads in whole vectors what the one
 * before wrote in pieces, and must not wait until the pieces have left the store queue.
 */
#include "kernels/select.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/row_simd.h"

/* More than KEPT candidates of a half or SUMS sums go to the reference; SUMS is also room for the
 * hooks (below) of the 32 maxima at the largest k. Ranks are counted for ABREAST sums at a time. */
enum {
    GROUPS = 32,
    GROUP_VECS = GROUPS / VEC,
    PANEL = 64,
    KEPT = 256,
    SUMS = 512,
    BOUND_STEPS = 16,
    BATCH = 4,
    ABREAST = VEC < 8 ? VEC : 8
};

/* Sub-keys or slots with their scores, in no order; in the vector after the last, scores of
 * -infinity. Of sub-keys of the first half the tag is n times the number, of those of the second
 * the number itself: the tags of a pair sum to the slot's id. */
typedef struct candidates {
    int32_t count;
    _Alignas(64) int32_t tag[SUMS + VEC];
    _Alignas(64) float score[SUMS + VEC];
} candidates;

/* What is known of a row: of each half the maxima of its groups in order, then -infinity; the
 * bound; what is kept of each half, the sums, and these by rank. */
typedef struct row_state {
    _Alignas(64) float best[2][GROUPS + VEC];
    float bound;
    bool finite, fits; /* fits: not a case for the reference, so far */
    candidates half[2], sums, ranked;
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

/* Pairs of ranks come in hooks: hook m has the pairs whose lower rank is m, its row (m, m), (m, m +
 * 1), ... and its column (m + 1, m), (m + 2, m), ..., each rounded up to whole vectors.
 * sum = the sums of all hooks of the maxima; returns how many. */
PKM_INLINE int32_t add_hooks(float *sum, float best[2][GROUPS + VEC], const pkm_select_plan *plan)
{
    int32_t count = 0;

    for (int32_t m = 0; m < plan->n_hooks; m++) {
        int32_t end = plan->hook_end[m] < GROUPS ? plan->hook_end[m] : GROUPS;

        for (int h = 1; h >= 0; h--)
            for (int32_t r = m + 1 - h; r < end; r += VEC, count += VEC)
                vec_store(sum + count, vec_add(vec_set(best[1 - h][m]), vec_load_all(best[h] + r)),
                          VEC);
    }
    return count;
}

PKM_INLINE int32_t count_above(const float *sum, int32_t count, float bound)
{
    vec_tally above = vec_tally_none();

    for (int32_t i = 0; i < count; i += VEC)
        above = vec_tally_above(above, vec_load_all(sum + i), vec_set(bound));
    return vec_tally_sum(above);
}

/* bound = for each row a sum that at least k slots reach; -infinity reaches none. Rows are bisected
 * in step, for one's next step depends on its last. */
PKM_INLINE void lower_bounds(row_state *rows, int64_t n_rows, const pkm_select_plan *plan)
{
    const int32_t last = plan->n_hooks - 1;
    float low[BATCH], step[BATCH];
    int32_t count = 0, steps[BATCH] = {0};

    /* The first n_hooks ranks of both halves make k pairs. The k-th best sum mostly lies in the
     * lower half between the last of them and the best of all: find how many steps above. */
    for (int64_t r = 0; r < n_rows; r++) {
        row_state *row = &rows[r];

        count = add_hooks(row->sums.score, row->best, plan);
        low[r] = row->best[0][last] + row->best[1][last];
        step[r] = (row->best[0][0] + row->best[1][0] - low[r]) * (0.5f / BOUND_STEPS);
    }
    for (int32_t bit = BOUND_STEPS / 2; bit > 0; bit /= 2)
        for (int64_t r = 0; r < n_rows; r++) {
            float middle = low[r] + (float)(steps[r] + bit) * step[r];

            steps[r] += count_above(rows[r].sums.score, count, middle) >= plan->topk ? bit : 0;
        }
    for (int64_t r = 0; r < n_rows; r++) {
        float bound = steps[r] > 0 ? low[r] + (float)steps[r] * step[r] : low[r];

        rows[r].bound = bound >= -FLT_MAX ? bound : -FLT_MAX;
    }
}

/* ---- 2. Sub-keys ---- */

/* A number that every score reaches whose sum with best_other, rounded to fp32, reaches the bound.
 * Such a score is at least bound - best_other less 2^-24 |bound| exactly; rounding the difference
 * and rounding the result take at most 2^-24 of the operands each. What lies between is kept in
 * vain. */
PKM_INLINE float lowest_kept(float bound, float best_other)
{
    return bound - best_other - (0x1p-22f * (fabsf(bound) + fabsf(best_other)) + FLT_MIN);
}

/* tag = the numbers of the sub-keys from `lowest` on; false if they are too many. */
PKM_INLINE bool keep(candidates *out, const float *half, int64_t n_padded, float lowest)
{
    int32_t count = 0;

    for (int64_t i = 0; i < n_padded && count <= KEPT; i += PANEL) {
        uint64_t reached = 0;

#pragma GCC unroll 16
        for (int c = 0; c < PANEL; c += VEC)
            reached |= vec_reaches(vec_load_all(half + i + c), vec_set(lowest)) << c;
        count += vec_store_numbers(out->tag + count, reached, (int32_t)i);
    }
    out->count = count;
    vec_int_store(out->tag + count, vec_int_set(0));
    return count <= KEPT;
}

/* Adds the scores of the numbers that were kept, and makes the tags `factor` times the numbers. */
PKM_INLINE void look_up(candidates *kept, const float *half, int32_t factor)
{
    for (int32_t i = 0; i < kept->count; i += VEC) { /* -0.0 becomes +0.0 */
        vec_store(kept->score + i, vec_add(vec_gather(half, kept->tag + i), vec_set(0)), VEC);
        vec_int_store(kept->tag + i, vec_int_mul(vec_int_load(kept->tag + i), vec_int_set(factor)));
    }
    vec_store(kept->score + kept->count, vec_set(-INFINITY), VEC);
}

/* ---- 3. Sums ---- */

/* The sums of pairs of candidates that reach the bound, with the sums of their tags; false if they
 * are too many. Vectors run along the half of which more were kept. */
PKM_INLINE bool keep_sums(candidates *out, const candidates half[2], const int32_t *const tags[2],
                          float bound)
{
    const int across = half[1].count > half[0].count;
    const candidates *rows = &half[1 - across], *columns = &half[across];
    int32_t count = 0;

    for (int32_t i = 0; i < rows->count; i++)
        for (int32_t j = 0; j < columns->count && count <= SUMS; j += VEC) {
            vec sum = vec_add(vec_set(rows->score[i]), vec_load_all(columns->score + j));
            vec_int tag =
                vec_int_add(vec_int_set(tags[1 - across][i]), vec_int_load(tags[across] + j));
            uint64_t lanes = vec_reaches(sum, vec_set(bound));

            vec_store_some(out->score + count, sum, lanes);
            vec_int_store_some(out->tag + count, tag, lanes);
            count += __builtin_popcountll(lanes);
        }
    out->count = count;
    if (count > SUMS)
        return false;
    vec_store(out->score + count, vec_set(-INFINITY), VEC);
    return true;
}

/* Puts sums in order; returns false if some are equal. */
PKM_INLINE bool rank_sums(candidates *out, const candidates *in)
{
    int32_t total = 0, padding = -in->count & (ABREAST - 1);

    for (int32_t i = 0; i < in->count; i += ABREAST) {
        vec x[ABREAST];
        vec_tally above[ABREAST];

#pragma GCC unroll 8
        for (int r = 0; r < ABREAST; r++) {
            x[r] = vec_set(in->score[i + r]);
            above[r] = vec_tally_none();
        }
        for (int32_t j = 0; j < in->count; j += VEC) {
            vec y = vec_load_all(in->score + j);

#pragma GCC unroll 8
            for (int r = 0; r < ABREAST; r++)
                above[r] = vec_tally_above(above[r], y, x[r]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < ABREAST; r++) { /* the padding goes behind the last */
            int32_t rank = vec_tally_sum(above[r]);

            out->tag[rank] = in->tag[i + r];
            out->score[rank] = in->score[i + r];
            total += rank;
        }
    }
    /* Ranks 0, 1, ... if all differ; less if some share one. */
    return total == in->count * (in->count - 1) / 2 + padding * in->count;
}

/* The rank of a candidate by (score descending, number ascending); numbers differ. */
PKM_INLINE int32_t tied_rank(const candidates *in, const int32_t *number, int32_t i)
{
    const vec x = vec_set(in->score[i]);
    const vec_int own = vec_int_set(number[i]);
    vec_tally before = vec_tally_none();

    for (int32_t j = 0; j < in->count; j += VEC) {
        vec y = vec_load_all(in->score + j);

        before = vec_tally_above(before, y, x);
        before = vec_tally_tied(before, y, x, vec_int_load(number + j), own);
    }
    return vec_tally_sum(before);
}

/* Puts sums in order of which some are equal: by their pairs of ranks. */
static __attribute__((noinline)) void rank_tied(row_state *row)
{
    int32_t rank[2][KEPT + VEC] = {{0}};
    const int32_t *const ranks[2] = {rank[0], rank[1]};
    candidates pairs;

    for (int h = 0; h < 2; h++)
        for (int32_t i = 0; i < row->half[h].count; i++)
            rank[h][i] = tied_rank(&row->half[h], row->half[h].tag, i) * (h == 0 ? KEPT : 1);
    (void)keep_sums(&pairs, row->half, ranks, row->bound);
    for (int32_t i = 0; i < row->sums.count; i++) {
        int32_t at = tied_rank(&row->sums, pairs.tag, i);

        row->ranked.tag[at] = row->sums.tag[i];
        row->ranked.score[at] = row->sums.score[i];
    }
}

/* Fills up a half with the lowest finite score, which stands behind every sub-key. */
PKM_INLINE void pad(float *half, int64_t n_keys, int64_t n_padded)
{
    for (int64_t i = n_keys; i < n_padded; i++)
        half[i] = -FLT_MAX;
}

/* ---- All of it, for the rows of a batch ---- */

/* Finds `ranked` of each row that fits. */
PKM_INLINE void rank_rows(row_state *rows, float *const halves[2], int64_t n_rows, int64_t n_padded,
                          const pkm_select_plan *plan)
{
    for (int64_t r = 0; r < n_rows; r++) {
        float *const row[2] = {halves[0] + r * n_padded, halves[1] + r * n_padded};

        pad(row[0], plan->n_keys, n_padded);
        pad(row[1], plan->n_keys, n_padded);
        rows[r].finite = rank_groups(rows[r].best, row, n_padded);
    }
    lower_bounds(rows, n_rows, plan);
    for (int64_t r = 0; r < n_rows; r++) {
        rows[r].fits = rows[r].finite;
        for (int h = 0; h < 2; h++)
            rows[r].fits &= keep(&rows[r].half[h], halves[h] + r * n_padded, n_padded,
                                 lowest_kept(rows[r].bound, rows[r].best[1 - h][0]));
    }
    for (int64_t r = 0; r < n_rows; r++) {
        const int32_t *const tags[2] = {rows[r].half[0].tag, rows[r].half[1].tag};

        if (!rows[r].fits)
            continue;
        look_up(&rows[r].half[0], halves[0] + r * n_padded, plan->n_keys);
        look_up(&rows[r].half[1], halves[1] + r * n_padded, 1);
        rows[r].fits = keep_sums(&rows[r].sums, rows[r].half, tags, rows[r].bound) &&
                       rows[r].sums.count >= plan->topk;
    }
    for (int64_t r = 0; r < n_rows; r++)
        if (rows[r].fits && !rank_sums(&rows[r].ranked, &rows[r].sums))
            rank_tied(&rows[r]);
}

PKM_INLINE bool select_all(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                           int64_t n_rows, int64_t out_stride, const pkm_select_plan *plan,
                           const pkm_select_scratch *scratch)
{
    const int64_t n_padded = (plan->n_keys + PANEL - 1) / PANEL * PANEL;
    const size_t bytes = (size_t)plan->topk * sizeof(float);
    bool finite = true;

    if (plan->topk > PKM_SELECT_FAST)
        return pkm_select_ref(ids, scores, halves, n_rows, out_stride, plan, scratch);
    for (int64_t first = 0; first < n_rows; first += BATCH) {
        float *const batch[2] = {halves[0] + first * n_padded, halves[1] + first * n_padded};
        int64_t n = n_rows - first < BATCH ? n_rows - first : BATCH;
        row_state rows[BATCH];

        rank_rows(rows, batch, n, n_padded, plan);
        for (int64_t r = 0; r < n; r++) {
            float *const row[2] = {batch[0] + r * n_padded, batch[1] + r * n_padded};
            int64_t out = (first + r) * out_stride;

            if (rows[r].fits) {
                memcpy(ids + out, rows[r].ranked.tag, bytes);
                memcpy(scores + out, rows[r].ranked.score, bytes);
            } else {
                finite &=
                    pkm_select_ref(ids + out, scores + out, row, 1, out_stride, plan, scratch);
            }
        }
    }
    return finite;
}
