/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of multiply-adds, multiply_add(a, b, sum), on the vectors of the level included before. */
#include "peak.h"

static inline float peak_loop(int64_t steps)
{
    const vec a = vec_set(0.5f), b = vec_set(0.25f);
    vec sum[PKM_PEAK_CHAINS];
    vec total = vec_set(0);

#pragma GCC unroll 16
    for (int c = 0; c < PKM_PEAK_CHAINS; c++)
        sum[c] = vec_set((float)c);
    for (int64_t i = 0; i < steps; i++) {
#pragma GCC unroll 16
        for (int c = 0; c < PKM_PEAK_CHAINS; c++)
            sum[c] = multiply_add(a, b, sum[c]);
    }
#pragma GCC unroll 16
    for (int c = 0; c < PKM_PEAK_CHAINS; c++)
        total = vec_add(total, sum[c]);
    return vec_sum(total);
}
