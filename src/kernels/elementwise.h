/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element by element over `count` >= 0 floats; any alignment; out may be one of the inputs.
 *
 *   add   out = a + b                 mul   out = a * b              scale   out = factor * a
 *   gelu  out = x / (1 + exp(-2 u)),  u = sqrt(2 / pi) (x + 0.044715 x^3)
 *         (the tanh form of Hendrycks and Gimpel 2016: (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)))
 *   gelu_backward  out = dy * d gelu / dx (x), all three f32 or all three bf16
 *
 * add, mul and scale have the same bits in every variant. NaN passes through.
 */
#ifndef PKM_KERNELS_ELEMENTWISE_H
#define PKM_KERNELS_ELEMENTWISE_H

#include <stdint.h>

typedef void pkm_vector_add_fn(float *out, const float *a, const float *b, int64_t count);
typedef void pkm_vector_mul_fn(float *out, const float *a, const float *b, int64_t count);
typedef void pkm_vector_scale_fn(float *out, const float *a, float factor, int64_t count);
typedef void pkm_gelu_fn(float *out, const float *x, int64_t count);
typedef void pkm_gelu_backward_fn(void *out, const void *dy, const void *x, int64_t count);

pkm_vector_add_fn pkm_vector_add_ref, pkm_vector_add_avx2, pkm_vector_add_avx512;
pkm_vector_add_fn pkm_vector_add_neon;
pkm_vector_mul_fn pkm_vector_mul_ref, pkm_vector_mul_avx2, pkm_vector_mul_avx512;
pkm_vector_mul_fn pkm_vector_mul_neon;
pkm_vector_scale_fn pkm_vector_scale_ref, pkm_vector_scale_avx2, pkm_vector_scale_avx512;
pkm_vector_scale_fn pkm_vector_scale_neon;
pkm_gelu_fn pkm_gelu_ref, pkm_gelu_avx2, pkm_gelu_avx512;
pkm_gelu_fn pkm_gelu_neon;
pkm_gelu_backward_fn pkm_gelu_backward_f32_ref, pkm_gelu_backward_bf16_ref;
pkm_gelu_backward_fn pkm_gelu_backward_f32_avx2, pkm_gelu_backward_bf16_avx2;
pkm_gelu_backward_fn pkm_gelu_backward_f32_avx512, pkm_gelu_backward_bf16_avx512;
pkm_gelu_backward_fn pkm_gelu_backward_bf16_avx512bf16;
pkm_gelu_backward_fn pkm_gelu_backward_f32_neon, pkm_gelu_backward_bf16_neon;

#endif
