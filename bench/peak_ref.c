/* SPDX-License-Identifier: Apache-2.0 */
/* Plain C, one lane: what the portable build has. */
#include "peak.h"

float pkm_peak_f32_ref(int64_t steps)
{
    float sum[PKM_PEAK_CHAINS] = {0}, total = 0;

    for (int64_t i = 0; i < steps; i++)
        for (int c = 0; c < PKM_PEAK_CHAINS; c++)
            sum[c] = sum[c] * 0.5f + 0.25f;
    for (int c = 0; c < PKM_PEAK_CHAINS; c++)
        total += sum[c];
    return total;
}
