/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/exp_columns.h"

#include <math.h>

#include "base/dtype.h"
#include "kernels/strip_product.h"

static float power_of(const pkm_exp_columns *block, int64_t i, int64_t j)
{
    float x = block->x[i * block->x_row + j] - block->shift[j];

    x = x < -87.0f ? -87.0f : x; /* NaN passes */
    x = x > 88.0f ? 88.0f : x;
    return (float)exp((double)x);
}

/* Where element (i, j) lies in strips of rows, or of pairs of rows. */
static int64_t strip_place(const pkm_exp_columns *block, int64_t i, int64_t j, int64_t group)
{
    return j / PKM_STRIP * block->strip_step + i / group * group * PKM_STRIP +
           j % PKM_STRIP * group + i % group;
}

void pkm_exp_columns_f32_ref(const pkm_exp_columns *block)
{
    float *out = block->power, *strips = block->strips;

    for (int64_t j = 0; j < block->n; j++) {
        block->sum[j] = 0;
        for (int64_t i = 0; i < block->m; i++) {
            float power = power_of(block, i, j);

            block->sum[j] += power;
            if (out != NULL)
                out[i * block->power_row + j] = strips[strip_place(block, i, j, 1)] = power;
        }
    }
}

void pkm_exp_columns_bf16_ref(const pkm_exp_columns *block)
{
    uint16_t *out = block->power, *strips = block->strips;

    for (int64_t j = 0; j < block->n; j++) {
        block->sum[j] = 0;
        for (int64_t i = 0; i < block->m; i++) {
            float power = power_of(block, i, j);
            uint16_t rounded = pkm_f32_to_bf16(power);

            block->sum[j] += power;
            if (out != NULL)
                out[i * block->power_row + j] = strips[strip_place(block, i, j, 2)] = rounded;
        }
        if (out != NULL && block->m % 2 > 0)
            strips[strip_place(block, block->m, j, 2)] = 0;
    }
}
