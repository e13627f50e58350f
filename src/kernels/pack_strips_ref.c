/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/pack_strips.h"

#include <string.h>

#include "base/size.h"
#include "kernels/strip_product.h"

void pkm_pack_strips_f32_ref(void *restrict out, int64_t strip_step, const void *restrict in,
                             int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    int64_t all_rows = pkm_ceil_div(n_rows, PKM_STRIP_STEP) * PKM_STRIP_STEP;

    for (int64_t j = 0; j < n_columns; j += PKM_STRIP) {
        size_t bytes = (size_t)pkm_min_i64(PKM_STRIP, n_columns - j) * sizeof(float);
        float *strip = (float *)out + j / PKM_STRIP * strip_step;

        for (int64_t i = 0; i < all_rows; i++, strip += PKM_STRIP) {
            memset(strip, 0, PKM_STRIP * sizeof *strip);
            if (i < n_rows)
                memcpy(strip, (const float *)in + i * in_step + j, bytes);
        }
    }
}

void pkm_pack_strips_bf16_ref(void *restrict out, int64_t strip_step, const void *restrict in,
                              int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    const uint16_t *from = in;
    int64_t all_rows = pkm_ceil_div(n_rows, PKM_STRIP_STEP) * PKM_STRIP_STEP;

    for (int64_t j = 0; j < n_columns; j += PKM_STRIP) {
        int64_t columns = pkm_min_i64(PKM_STRIP, n_columns - j);
        uint16_t *strip = (uint16_t *)out + j / PKM_STRIP * strip_step;

        memset(strip, 0, (size_t)(all_rows * PKM_STRIP) * sizeof *strip);
        for (int64_t i = 0; i < n_rows; i++)
            for (int64_t c = 0; c < columns; c++)
                strip[i / 2 * 2 * PKM_STRIP + 2 * c + i % 2] = from[i * in_step + j + c];
    }
}
