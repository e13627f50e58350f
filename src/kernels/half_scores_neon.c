/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/half_scores_simd.h"

void pkm_half_scores_f32_neon(float *restrict scores, const void *restrict queries,
                              const void *restrict panels, int64_t n_queries, int64_t query_stride,
                              int64_t n_panels, int64_t width)
{
    half_scores_all(scores, queries, panels, n_queries, query_stride, n_panels, width);
}
