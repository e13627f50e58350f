/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/select_simd.h"

bool pkm_select_neon(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                     int64_t n_rows, int64_t out_stride, const pkm_select_plan *plan,
                     const pkm_select_scratch *scratch)
{
    return select_all(ids, scores, halves, n_rows, out_stride, plan, scratch);
}
