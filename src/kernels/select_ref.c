/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heap ranks each half; then it merges the rows of sums: for each rank of half 1 it holds the
 * best slot not yet taken.
 */
#include "kernels/select.h"

#include <math.h>

#include "kernels/score_heap.h"

/* index, score [topk] = the best of scores [n_keys] by rank. */
static bool rank_half(int32_t *index, float *score, const float *scores,
                      const pkm_select_plan *plan, uint64_t *heap)
{
    int64_t size = plan->n_keys;
    bool finite = true;

    for (int32_t i = 0; i < plan->n_keys; i++) {
        finite = finite && isfinite(scores[i]);
        heap[i] = score_key(scores[i] + 0.0f, i); /* -0.0 becomes +0.0 */
    }
    for (int64_t i = size / 2 - 1; i >= 0; i--)
        score_heap_sift_down(heap, size, i);
    for (int32_t r = 0; r < plan->topk; r++) {
        index[r] = score_key_index(heap[0]);
        score[r] = scores[index[r]] + 0.0f;
        heap[0] = heap[--size];
        score_heap_sift_down(heap, size, 0);
    }
    return finite;
}

static void merge_sums(int32_t *restrict ids, float *restrict scores, const pkm_select_plan *plan,
                       const pkm_select_scratch *scratch)
{
    const float *s1 = scratch->score[0], *s2 = scratch->score[1];
    int32_t topk = plan->topk;

    for (int32_t a = 0; a < topk; a++) {
        scratch->heap[a] = score_key(s1[a] + s2[0], a); /* descending, so a heap */
        scratch->next[a] = 0;
    }
    for (int32_t j = 0; j < topk; j++) {
        int32_t a = score_key_index(scratch->heap[0]);
        int32_t b = scratch->next[a]++;

        ids[j] = scratch->index[0][a] * plan->n_keys + scratch->index[1][b];
        scores[j] = s1[a] + s2[b];
        if (b + 1 < topk) {
            scratch->heap[0] = score_key(s1[a] + s2[b + 1], a);
            score_heap_sift_down(scratch->heap, topk, 0);
        }
    }
}

bool pkm_select_ref(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                    int64_t n_rows, int64_t out_stride, const pkm_select_plan *plan,
                    const pkm_select_scratch *scratch)
{
    int64_t stride = ((int64_t)plan->n_keys + 63) / 64 * 64;
    bool finite = true;

    for (int64_t r = 0; r < n_rows; r++) {
        for (int h = 0; h < 2; h++)
            finite &= rank_half(scratch->index[h], scratch->score[h], halves[h] + r * stride, plan,
                                scratch->heap);
        merge_sums(ids + r * out_stride, scores + r * out_stride, plan, scratch);
    }
    return finite;
}
