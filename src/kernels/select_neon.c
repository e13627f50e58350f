/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/select_simd.h"

bool pkm_select_neon(int32_t *restrict ids, float *restrict scores, float *const halves[2],
                     const pkm_select_plan *plan, const pkm_select_scratch *scratch)
{
    if (plan->topk <= PKM_SELECT_LISTED && select_listed(ids, scores, halves, plan))
        return true;
    return pkm_select_ref(ids, scores, halves, plan, scratch);
}
