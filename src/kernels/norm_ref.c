/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/norm.h"

#include <math.h>

pkm_norm_stats pkm_norm_moments_ref(const float *x, int64_t count, float epsilon)
{
    double sum = 0, squares = 0, mean;

    for (int64_t i = 0; i < count; i++)
        sum += (double)x[i];
    mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return (pkm_norm_stats){
        .mean = (float)mean,
        .rstd = (float)(1.0 / sqrt(squares / (double)count + (double)epsilon)),
    };
}

void pkm_norm_forward_ref(float *y, const float *x, const float *gamma, const float *beta,
                          pkm_norm_stats stats, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = (x[i] - stats.mean) * stats.rstd * gamma[i] + beta[i];
}

void pkm_norm_backward_ref(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                           const float *gamma, pkm_norm_stats stats, int64_t count, bool add)
{
    double sum_g = 0, sum_gh = 0;
    float mean_g, mean_gh;

    for (int64_t i = 0; i < count; i++) {
        float h = (x[i] - stats.mean) * stats.rstd;
        float g = dy[i] * gamma[i];

        sum_g += (double)g;
        sum_gh += (double)g * (double)h;
        dgamma[i] += dy[i] * h;
        dbeta[i] += dy[i];
    }
    mean_g = (float)(sum_g / (double)count);
    mean_gh = (float)(sum_gh / (double)count);
    for (int64_t i = 0; i < count; i++) {
        float h = (x[i] - stats.mean) * stats.rstd;
        float d = stats.rstd * (dy[i] * gamma[i] - mean_g - h * mean_gh);

        dx[i] = add ? dx[i] + d : d;
    }
}
