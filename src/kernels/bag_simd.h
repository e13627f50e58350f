/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bags over vectors; include after a vec_<isa>.h. Sums stay in registers: strips of as many columns
 * as these hold, all hits of a bag in each.
 */
#include "base/size.h"
#include "kernels/bag.h"
#include "kernels/row_simd.h"

/* STRIP vectors are summed at once. Rows are asked for AHEAD_BYTES before they are read: far enough
 * for a page walk and a line of distant memory, and little for a second-level cache. */
enum { STRIP = 4 * VEC_TILE, AHEAD_BYTES = 1 << 15, MOST_AHEAD = 128 };

/* A strip of a bag, and the hits whose rows are read next: of the strip beside it, or of the bags
 * that follow, whose ids stand behind those of this one. */
typedef struct bag_part {
    const int32_t *ids;
    const float *weights;
    int64_t hits, column;
    const int32_t *next_ids;
    int64_t next_hits, next_column;
} bag_part;

/* out[i] = sum over the hits of column + i, i < n_vectors * VEC; n_vectors is 1 if the columns end
 * before. */
PKM_INLINE void bag_strip(float *out, const bag_part *part, const void *values, pkm_dtype dtype,
                          int64_t value_dim, const int n_vectors)
{
    const int64_t left = n_vectors > 1 ? VEC : value_dim - part->column;
    const int64_t strip_bytes = (int64_t)pkm_dtype_bytes(dtype) * n_vectors * VEC;
    const int64_t ahead = pkm_min_i64(MOST_AHEAD, AHEAD_BYTES / strip_bytes);
    vec sum[STRIP];

#pragma GCC unroll 16
    for (int c = 0; c < n_vectors; c++)
        sum[c] = vec_set(0);
    for (int64_t j = 0; j < part->hits; j++) {
        int64_t row = part->ids[j] * value_dim + part->column, over = j + ahead - part->hits;
        vec weight = vec_set(part->weights[j]);

        if (over < part->next_hits) {
            int64_t next = over < 0 ? part->ids[j + ahead] * value_dim + part->column
                                    : part->next_ids[over] * value_dim + part->next_column;

#pragma GCC unroll 16
            for (int c = 0; c < n_vectors; c++)
                row_prefetch(values, dtype, next + c * VEC, c * VEC, true);
        }
#pragma GCC unroll 16
        for (int c = 0; c < n_vectors; c++)
            sum[c] = vec_fma(weight, row_load(values, dtype, row + c * VEC, left), sum[c]);
    }
#pragma GCC unroll 16
    for (int c = 0; c < n_vectors; c++)
        vec_store(out + c * VEC, sum[c], left);
}

/* One bag; n_ids: how many ids there are from its first on. */
PKM_INLINE void bag_row(float *restrict out, const void *restrict values, pkm_dtype dtype,
                        const int32_t *restrict ids, const float *restrict weights, int64_t hits,
                        int64_t n_ids, int64_t value_dim)
{
    bag_part part = {.ids = ids, .weights = weights, .hits = hits};

    while (part.column < value_dim) {
        int64_t left = value_dim - part.column;
        int n_vectors = left >= STRIP * VEC ? STRIP : left >= 4 * VEC ? 4 : 1;
        bool last = left <= n_vectors * VEC;

        part.next_ids = last ? ids + hits : ids;
        part.next_hits = last ? n_ids - hits : hits;
        part.next_column = last ? 0 : part.column + n_vectors * VEC;
        if (n_vectors == STRIP)
            bag_strip(out + part.column, &part, values, dtype, value_dim, STRIP);
        else if (n_vectors == 4)
            bag_strip(out + part.column, &part, values, dtype, value_dim, 4);
        else
            bag_strip(out + part.column, &part, values, dtype, value_dim, 1);
        part.column += n_vectors * VEC;
    }
}

PKM_INLINE void bag_all(float *restrict out, const void *restrict values, pkm_dtype dtype,
                        const int32_t *restrict ids, const float *restrict weights, int64_t n_rows,
                        int64_t hits, int64_t value_dim)
{
    for (int64_t r = 0; r < n_rows; r++)
        bag_row(out + r * value_dim, values, dtype, ids + r * hits, weights + r * hits, hits,
                (n_rows - r) * hits, value_dim);
}
