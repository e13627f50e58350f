/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/strip_product.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/dtype.h"
#include "kernels/elementwise.h"

static float get(const void *data, pkm_dtype dtype, int64_t at)
{
    return dtype == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)data)[at])
                             : ((const float *)data)[at];
}

static void set(void *data, pkm_dtype dtype, int64_t at, float value)
{
    if (dtype == PKM_BF16)
        ((uint16_t *)data)[at] = pkm_f32_to_bf16(value);
    else
        ((float *)data)[at] = value;
}

static double product_sum(const pkm_strip_product *p, pkm_dtype dtype, int64_t i, int64_t j)
{
    int64_t strip = j / PKM_STRIP * p->b_strip, column = j % PKM_STRIP;
    double sum = 0.0;

    for (int64_t l = 0; l < p->k; l++) {
        int64_t at = dtype == PKM_BF16 ? strip + l / 2 * 2 * PKM_STRIP + column * 2 + l % 2
                                       : strip + l * PKM_STRIP + column;

        sum += (double)get(p->a, dtype, i * p->a_row + l) * (double)get(p->b, dtype, at);
    }
    return sum;
}

static void product(const pkm_strip_product *p, pkm_dtype dtype)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = product_sum(p, dtype, i, j);
            float value;

            if (p->bias != NULL)
                sum += (double)p->bias[j];
            if (p->base != NULL)
                sum += (double)get(p->base, p->y_dtype, i * p->base_row + j);
            set(p->y, p->y_dtype, i * p->y_row + j, (float)sum);
            if (p->gelu == NULL)
                continue;
            value = get(p->y, p->y_dtype, i * p->y_row + j);
            pkm_gelu_ref(&value, &value, 1);
            set(p->gelu, p->y_dtype, i * p->gelu_row + j, value);
        }
}

void pkm_strip_product_f32_ref(const pkm_strip_product *p)
{
    product(p, PKM_F32);
}

void pkm_strip_product_bf16_ref(const pkm_strip_product *p)
{
    product(p, PKM_BF16);
}
