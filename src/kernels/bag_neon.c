/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/bag_simd.h"

void pkm_bag_f32_neon(float *restrict out, const void *restrict values, const int32_t *restrict ids,
                      const float *restrict weights, int64_t n_rows, int64_t hits,
                      int64_t value_dim)
{
    bag_all(out, values, PKM_F32, ids, weights, n_rows, hits, value_dim);
}

void pkm_bag_bf16_neon(float *restrict out, const void *restrict values,
                       const int32_t *restrict ids, const float *restrict weights, int64_t n_rows,
                       int64_t hits, int64_t value_dim)
{
    bag_all(out, values, PKM_BF16, ids, weights, n_rows, hits, value_dim);
}

void pkm_bag_i8_neon(float *restrict out, const void *restrict values, const int32_t *restrict ids,
                     const float *restrict weights, int64_t n_rows, int64_t hits, int64_t value_dim)
{
    bag_all(out, values, PKM_I8, ids, weights, n_rows, hits, value_dim);
}
