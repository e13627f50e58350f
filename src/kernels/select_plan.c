/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/select.h"

#include <string.h>

void pkm_select_plan_init(pkm_select_plan *out, int64_t n_keys, int64_t topk)
{
    memset(out, 0, sizeof *out);
    out->n_keys = (int32_t)n_keys;
    out->topk = (int32_t)topk;
    if (topk > PKM_SELECT_FAST)
        return;
    for (int32_t m = 0; m * m < topk; m++)
        out->hook_end[out->n_hooks++] = (int32_t)topk / (m + 1);
}
