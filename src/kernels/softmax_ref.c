/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/softmax.h"

#include <math.h>

float pkm_row_max_ref(const float *x, int64_t count)
{
    float best = -INFINITY;

    for (int64_t i = 0; i < count; i++)
        if (x[i] > best)
            best = x[i];
    return best;
}

float pkm_exp_shift_ref(float *out, const float *x, float factor, float shift, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++) {
        float power = fmaf(factor, x[i], -shift); /* rounded once in every variant */

        out[i] = power < -87.0f ? 0.0f : (float)exp((double)power);
        sum += (double)out[i];
    }
    return (float)sum;
}
