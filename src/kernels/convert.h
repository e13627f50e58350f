/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out[i] = in[i] in another precision, i < count; any alignment, count >= 0, no overlap.
 * To bf16: nearest, ties to even; NaN stays NaN. Bits are the same in every variant.
 */
#ifndef PKM_KERNELS_CONVERT_H
#define PKM_KERNELS_CONVERT_H

#include <stdint.h>

typedef void pkm_f32_to_bf16_fn(uint16_t *restrict out, const float *restrict in, int64_t count);
typedef void pkm_bf16_to_f32_fn(float *restrict out, const uint16_t *restrict in, int64_t count);

pkm_f32_to_bf16_fn pkm_f32_to_bf16_ref, pkm_f32_to_bf16_avx2, pkm_f32_to_bf16_avx512;
pkm_f32_to_bf16_fn pkm_f32_to_bf16_neon;
pkm_bf16_to_f32_fn pkm_bf16_to_f32_ref, pkm_bf16_to_f32_avx2, pkm_bf16_to_f32_avx512;
pkm_bf16_to_f32_fn pkm_bf16_to_f32_neon;

#endif
