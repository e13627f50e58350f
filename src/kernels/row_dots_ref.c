/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/element_ref.h"
#include "kernels/row_dots.h"

static void row_dots(float *restrict dots, const void *restrict values, pkm_dtype dtype,
                     const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                     int64_t last, int64_t value_dim)
{
    for (int64_t g = first; g < last; g++) {
        int64_t row = hits->rows[g] * value_dim;

        for (int64_t i = hits->starts[g]; i < hits->starts[g + 1]; i++) {
            const float *source = upstream + hits->sources[i] * value_dim;
            double sum = 0;

            for (int64_t c = 0; c < value_dim; c++)
                sum += (double)element_load(values, dtype, row + c) * (double)source[c];
            dots[i] = (float)sum;
        }
    }
}

void pkm_row_dots_f32_ref(float *restrict dots, const void *restrict values,
                          const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                          int64_t last, int64_t value_dim)
{
    row_dots(dots, values, PKM_F32, upstream, hits, first, last, value_dim);
}

void pkm_row_dots_bf16_ref(float *restrict dots, const void *restrict values,
                           const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                           int64_t last, int64_t value_dim)
{
    row_dots(dots, values, PKM_BF16, upstream, hits, first, last, value_dim);
}
