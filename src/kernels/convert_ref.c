/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dtype.h"
#include "kernels/convert.h"

void pkm_f32_to_bf16_ref(uint16_t *restrict out, const float *restrict in, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = pkm_f32_to_bf16(in[i]);
}

void pkm_bf16_to_f32_ref(float *restrict out, const uint16_t *restrict in, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = pkm_bf16_to_f32(in[i]);
}
