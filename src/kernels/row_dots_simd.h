/* SPDX-License-Identifier: Apache-2.0 */
/* Row dots over vectors; include after a vec_<isa>.h. */
#include "base/size.h"
#include "kernels/row_dots.h"
#include "kernels/row_simd.h"

/* Rows are asked for so many bytes before they are read. */
enum { BYTES_AHEAD = 1 << 14 };

PKM_INLINE float row_dot(const void *values, pkm_dtype dtype, int64_t row, const float *source,
                         int64_t value_dim)
{
    vec sum[4];
    int64_t i = 0;

#pragma GCC unroll 4
    for (int c = 0; c < 4; c++)
        sum[c] = vec_set(0);
    for (; i + 4 * VEC <= value_dim; i += 4 * VEC)
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++)
            sum[c] = vec_fma(row_load(values, dtype, row + i + c * VEC, VEC),
                             vec_load_all(source + i + c * VEC), sum[c]);
    for (; i < value_dim; i += VEC)
        sum[0] = vec_fma(row_load(values, dtype, row + i, value_dim - i),
                         vec_load(source + i, value_dim - i), sum[0]);
    return vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
}

PKM_INLINE void row_dots_all(float *restrict dots, const void *restrict values, pkm_dtype dtype,
                             const float *restrict upstream, const pkm_row_hits *hits,
                             int64_t first, int64_t last, int64_t value_dim)
{
    const int64_t ahead = pkm_ceil_div(BYTES_AHEAD, value_dim * (int64_t)pkm_dtype_bytes(dtype));

    for (int64_t g = first; g < last; g++) {
        int64_t next = hits->rows[pkm_min_i64(g + ahead, hits->n_groups - 1)] * value_dim;

        for (int64_t c = 0; c < value_dim; c += VEC)
            row_prefetch(values, dtype, next + c, c, true);
        for (int64_t i = hits->starts[g]; i < hits->starts[g + 1]; i++)
            dots[i] = row_dot(values, dtype, hits->rows[g] * value_dim,
                              upstream + hits->sources[i] * value_dim, value_dim);
    }
}
