/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/exp_columns.h"

#include <math.h>

#include "base/dtype.h"

static float power_of(const pkm_exp_columns *block, int64_t i, int64_t j)
{
    float x = block->x[i * block->x_row + j] - block->shift[j];

    x = x < -87.0f ? -87.0f : x; /* NaN passes */
    x = x > 88.0f ? 88.0f : x;
    return (float)exp((double)x);
}

void pkm_exp_columns_f32_ref(const pkm_exp_columns *block)
{
    float *out = block->power;

    for (int64_t j = 0; j < block->n; j++) {
        block->sum[j] = 0;
        for (int64_t i = 0; i < block->m; i++) {
            float power = power_of(block, i, j);

            block->sum[j] += power;
            if (out != NULL)
                out[i * block->power_row + j] = power;
        }
    }
}

void pkm_exp_columns_bf16_ref(const pkm_exp_columns *block)
{
    uint16_t *out = block->power;

    for (int64_t j = 0; j < block->n; j++) {
        block->sum[j] = 0;
        for (int64_t i = 0; i < block->m; i++) {
            float power = power_of(block, i, j);

            block->sum[j] += power;
            if (out == NULL)
                continue;
            out[i * block->power_row + j] = pkm_f32_to_bf16(power);
            block->pairs[(i / 2 * block->n + j) * 2 + i % 2] = pkm_f32_to_bf16(power);
        }
        if (out != NULL && block->m % 2 > 0)
            block->pairs[(block->m / 2 * block->n + j) * 2 + 1] = 0;
    }
}
