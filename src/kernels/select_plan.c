/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/select.h"

#include <string.h>

static void list_pairs(pkm_select_plan *plan)
{
    for (int32_t a = 0; a < plan->topk; a++) {
        for (int32_t b = 0; (a + 1) * (b + 1) <= plan->topk; b++) {
            plan->rank1[plan->n_pairs] = a;
            plan->rank2[plan->n_pairs++] = b;
        }
    }
}

/* For each rank of half 1 the least rank of half 2, or where that is too high, the last pair. */
static void list_bounds(pkm_select_plan *plan)
{
    for (int32_t a = PKM_SELECT_BOUNDS - 1; a >= 0; a--) {
        int32_t b = (plan->topk + a) / (a + 1) - 1;
        bool known = b < PKM_SELECT_BOUNDS;

        plan->bound1[a] = known ? a : PKM_SELECT_BOUNDS - 1;
        plan->bound2[a] = known ? b : plan->bound2[PKM_SELECT_BOUNDS - 1];
    }
}

void pkm_select_plan_init(pkm_select_plan *out, int64_t n_keys, int64_t topk)
{
    memset(out, 0, sizeof *out);
    out->n_keys = (int32_t)n_keys;
    out->topk = (int32_t)topk;
    if (topk > PKM_SELECT_LISTED)
        return;
    list_pairs(out);
    list_bounds(out);
}
