/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/half_scores.h"

#include "kernels/element_ref.h"

/* `group` consecutive elements of a key lie together: 1 in f32, 2 in bf16. */
static void half_scores(float *restrict scores, const void *restrict queries,
                        const void *restrict panels, pkm_dtype dtype, int64_t n_queries,
                        int64_t query_stride, int64_t n_panels, int64_t width)
{
    int64_t group = dtype == PKM_BF16 ? 2 : 1;
    int64_t n_keys = n_panels * PKM_PANEL_KEYS;

    for (int64_t q = 0; q < n_queries; q++) {
        for (int64_t i = 0; i < n_keys; i++) {
            int64_t panel = i / PKM_PANEL_KEYS * width * PKM_PANEL_KEYS;
            double sum = 0;

            for (int64_t d = 0; d < width; d++) {
                int64_t at = (d / group * PKM_PANEL_KEYS + i % PKM_PANEL_KEYS) * group + d % group;

                sum += (double)element_load(queries, dtype, q * query_stride + d) *
                       (double)element_load(panels, dtype, panel + at);
            }
            scores[q * n_keys + i] = (float)sum;
        }
    }
}

void pkm_half_scores_f32_ref(float *restrict scores, const void *restrict queries,
                             const void *restrict panels, int64_t n_queries, int64_t query_stride,
                             int64_t n_panels, int64_t width)
{
    half_scores(scores, queries, panels, PKM_F32, n_queries, query_stride, n_panels, width);
}

void pkm_half_scores_bf16_ref(float *restrict scores, const void *restrict queries,
                              const void *restrict panels, int64_t n_queries, int64_t query_stride,
                              int64_t n_panels, int64_t width)
{
    half_scores(scores, queries, panels, PKM_BF16, n_queries, query_stride, n_panels, width);
}
