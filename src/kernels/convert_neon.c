/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "base/dtype.h"
#include "kernels/convert.h"

void pkm_f32_to_bf16_neon(uint16_t *restrict out, const float *restrict in, int64_t count)
{
    const uint32x4_t one = vdupq_n_u32(1), half = vdupq_n_u32(0x7fff);
    int64_t i = 0;

    for (; i + 4 <= count; i += 4) {
        float32x4_t value = vld1q_f32(in + i);
        uint32x4_t bits = vreinterpretq_u32_f32(value);
        uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), one);
        uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, half));
        uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));

        vst1_u16(out + i, vshrn_n_u32(vbslq_u32(vceqq_f32(value, value), rounded, quiet), 16));
    }
    for (; i < count; i++)
        out[i] = pkm_f32_to_bf16(in[i]);
}

void pkm_bf16_to_f32_neon(float *restrict out, const uint16_t *restrict in, int64_t count)
{
    int64_t i = 0;

    for (; i + 4 <= count; i += 4)
        vst1q_f32(out + i, vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(in + i), 16)));
    for (; i < count; i++)
        out[i] = pkm_bf16_to_f32(in[i]);
}
