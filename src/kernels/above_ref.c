/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/above.h"

#include <math.h>
#include <stdbool.h>

int32_t pkm_above_ref(int32_t *restrict found, const float *restrict scores, int32_t n, float bound)
{
    int32_t count = 0;
    bool finite = true;

    for (int32_t i = 0; i < n; i++) {
        finite = finite && isfinite(scores[i]);
        found[count] = i;
        count += scores[i] > bound;
    }
    return finite ? count : -1;
}
