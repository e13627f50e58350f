/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/select.h"

#include <string.h>

void pkm_select_plan_init(pkm_select_plan *out, int64_t n_keys, int64_t topk)
{
    memset(out, 0, sizeof *out);
    out->n_keys = (int32_t)n_keys;
    out->topk = (int32_t)topk;
    if (topk > PKM_SELECT_LISTED)
        return;
    for (int32_t a = 0; a < topk; a++) {
        out->row[a] = (uint8_t)(topk / (a + 1));
        for (int32_t b = 0; b < out->row[a]; b++) {
            out->rank1[out->n_pairs] = (uint8_t)a;
            out->rank2[out->n_pairs++] = (uint8_t)b;
        }
    }
}
