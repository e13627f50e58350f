/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

#include "kernels/elementwise_simd.h"

void pkm_vector_add_avx512(float *out, const float *a, const float *b, int64_t count)
{
    add_all(out, a, b, count);
}

void pkm_vector_mul_avx512(float *out, const float *a, const float *b, int64_t count)
{
    mul_all(out, a, b, count);
}

void pkm_vector_scale_avx512(float *out, const float *a, float factor, int64_t count)
{
    scale_all(out, a, factor, count);
}

void pkm_gelu_avx512(float *out, const float *x, int64_t count)
{
    gelu_all(out, x, count);
}

void pkm_gelu_backward_f32_avx512(void *out, const void *dy, const void *x, int64_t count)
{
    gelu_backward_all(out, dy, x, PKM_F32, count);
}

void pkm_gelu_backward_bf16_avx512(void *out, const void *dy, const void *x, int64_t count)
{
    gelu_backward_all(out, dy, x, PKM_BF16, count);
}
