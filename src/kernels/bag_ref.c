/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/bag.h"
#include "kernels/element_ref.h"

static void bag(float *restrict out, const void *restrict values, pkm_dtype dtype,
                const int32_t *restrict ids, const float *restrict weights, int64_t n_rows,
                int64_t hits, int64_t value_dim)
{
    for (int64_t r = 0; r < n_rows; r++) {
        for (int64_t c = 0; c < value_dim; c++) {
            double sum = 0;

            for (int64_t j = r * hits; j < (r + 1) * hits; j++)
                sum += (double)weights[j] *
                       (double)element_load(values, dtype, ids[j] * value_dim + c);
            out[r * value_dim + c] = (float)sum;
        }
    }
}

void pkm_bag_f32_ref(float *restrict out, const void *restrict values, const int32_t *restrict ids,
                     const float *restrict weights, int64_t n_rows, int64_t hits, int64_t value_dim)
{
    bag(out, values, PKM_F32, ids, weights, n_rows, hits, value_dim);
}

void pkm_bag_bf16_ref(float *restrict out, const void *restrict values, const int32_t *restrict ids,
                      const float *restrict weights, int64_t n_rows, int64_t hits,
                      int64_t value_dim)
{
    bag(out, values, PKM_BF16, ids, weights, n_rows, hits, value_dim);
}

void pkm_bag_i8_ref(float *restrict out, const void *restrict values, const int32_t *restrict ids,
                    const float *restrict weights, int64_t n_rows, int64_t hits, int64_t value_dim)
{
    bag(out, values, PKM_I8, ids, weights, n_rows, hits, value_dim);
}
