/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/sum_squares.h"

double pkm_sum_squares_ref(const float *x, int64_t count)
{
    double part[8] = {0}, sum = 0;

    for (int64_t i = 0; i < count; i++)
        part[i % 8] += (double)x[i] * (double)x[i];
    for (int i = 0; i < 8; i++)
        sum += part[i];
    return sum;
}
