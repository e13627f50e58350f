/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/convert.h"

#include "kernels/vec_avx512.h"

void pkm_f32_to_bf16_avx512(uint16_t *restrict out, const float *restrict in, int64_t count)
{
    int64_t i = 0;

    for (; i + 2 * VEC <= count; i += 2 * VEC) /* a whole line, without masks */
        _mm512_storeu_si512(out + i,
                            vec_round_two(vec_load_all(in + i), vec_load_all(in + i + VEC)));
    for (; i < count; i += VEC)
        vec_store_bf16(out + i, vec_load(in + i, count - i), count - i);
}

void pkm_bf16_to_f32_avx512(float *restrict out, const uint16_t *restrict in, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC)
        vec_store(out + i, vec_load_bf16(in + i, count - i), count - i);
}
