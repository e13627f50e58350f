/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/elementwise.h"

#include <math.h>

#include "kernels/element_ref.h"

void pkm_vector_add_ref(float *out, const float *a, const float *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = a[i] + b[i];
}

void pkm_vector_mul_ref(float *out, const float *a, const float *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = a[i] * b[i];
}

void pkm_vector_scale_ref(float *out, const float *a, float factor, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = factor * a[i];
}

/* sqrt(2 / pi), and the cubic term of the tanh form. */
static const double gelu_slope = 0.79788456080286536, gelu_cubic = 0.044715;

void pkm_gelu_ref(float *out, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double v = (double)x[i];
        double u = gelu_slope * (v + gelu_cubic * v * v * v);

        out[i] = (float)(v / (1.0 + exp(-2.0 * u)));
    }
}

static void gelu_backward(void *out, const void *dy, const void *x, pkm_dtype dtype, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double v = (double)element_load(x, dtype, i);
        double u = gelu_slope * (v + gelu_cubic * v * v * v);
        double s = 1.0 / (1.0 + exp(-2.0 * u));
        double slope = 2.0 * gelu_slope * (1.0 + 3.0 * gelu_cubic * v * v);
        double d = (double)element_load(dy, dtype, i);

        element_store(out, dtype, i, (float)(d * (s + v * s * (1.0 - s) * slope)));
    }
}

void pkm_gelu_backward_f32_ref(void *out, const void *dy, const void *x, int64_t count)
{
    gelu_backward(out, dy, x, PKM_F32, count);
}

void pkm_gelu_backward_bf16_ref(void *out, const void *dy, const void *x, int64_t count)
{
    gelu_backward(out, dy, x, PKM_BF16, count);
}
