/* SPDX-License-Identifier: Apache-2.0 */
/* Packing f32 over vectors; include after a vec_<isa>.h. */
#include "base/size.h"
#include "kernels/pack_strips.h"
#include "kernels/strip_product.h"

/* One row of a strip, of which `left` columns exist; none: zeros. */
static inline void pack_row(float *strip, const float *from, int64_t left)
{
    for (int64_t c = 0; c < PKM_STRIP; c += VEC)
        vec_store(strip + c, c < left ? vec_load(from + c, left - c) : vec_set(0), VEC);
}

/* Rows in the outer loop: they are read in order, and may be far apart. */
static inline void pack_f32(float *restrict out, int64_t strip_step, const float *restrict in,
                            int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    int64_t all_rows = pkm_ceil_div(n_rows, PKM_STRIP_STEP) * PKM_STRIP_STEP;

    for (int64_t i = 0; i < all_rows; i++)
        for (int64_t j = 0; j < n_columns; j += PKM_STRIP)
            pack_row(out + j / PKM_STRIP * strip_step + i * PKM_STRIP, in + i * in_step + j,
                     i < n_rows ? n_columns - j : 0);
}
