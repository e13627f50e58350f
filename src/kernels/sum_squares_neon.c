/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "kernels/sum_squares.h"

double pkm_sum_squares_neon(const float *x, int64_t count)
{
    float64x2_t sums[4] = {vdupq_n_f64(0), vdupq_n_f64(0), vdupq_n_f64(0), vdupq_n_f64(0)};
    double part[8], sum = 0;
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        for (int j = 0; j < 4; j++) {
            float64x2_t pair = vcvt_f64_f32(vld1_f32(x + i + 2 * j));

            sums[j] = vfmaq_f64(sums[j], pair, pair);
        }
    }
    for (int j = 0; j < 4; j++)
        vst1q_f64(part + 2 * j, sums[j]);
    for (; i < count; i++)
        part[i % 8] += (double)x[i] * (double)x[i];
    for (int j = 0; j < 8; j++)
        sum += part[j];
    return sum;
}
