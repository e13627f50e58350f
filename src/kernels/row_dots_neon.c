/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/row_dots_simd.h"

void pkm_row_dots_f32_neon(float *restrict dots, const void *restrict values,
                           const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                           int64_t last, int64_t value_dim)
{
    row_dots_all(dots, values, PKM_F32, upstream, hits, first, last, value_dim);
}

void pkm_row_dots_bf16_neon(float *restrict dots, const void *restrict values,
                            const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                            int64_t last, int64_t value_dim)
{
    row_dots_all(dots, values, PKM_BF16, upstream, hits, first, last, value_dim);
}
