/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bags over vectors; include after a vec_<isa>.h. Sums stay in registers: strips of as many columns
 * as these hold, all hits of a bag in each.
 */
#include "kernels/bag.h"
#include "kernels/row_simd.h"

/* Rows are asked for HITS_AHEAD hits before they are read; STRIP vectors are summed at once. */
enum { HITS_AHEAD = 8, STRIP = 4 * VEC_TILE };

/* What is left of a call: the ids of the bags that follow stand behind those of this one. */
typedef struct bag_rest {
    float *out;
    const int32_t *ids;
    const float *weights;
    int64_t hits, n_ids;
} bag_rest;

/* out[column + i] of one bag, i < n_vectors * VEC; n_vectors is 1 if the columns end before. */
PKM_INLINE void bag_strip(const bag_rest *bag, const void *values, pkm_dtype dtype,
                          int64_t value_dim, int64_t column, const int n_vectors)
{
    const int64_t left = n_vectors > 1 ? VEC : value_dim - column;
    vec sum[STRIP];

#pragma GCC unroll 16
    for (int c = 0; c < n_vectors; c++)
        sum[c] = vec_set(0);
    for (int64_t j = 0; j < bag->hits; j++) {
        int64_t row = bag->ids[j] * value_dim + column;
        vec weight = vec_set(bag->weights[j]);

        if (j + HITS_AHEAD < bag->n_ids) {
            int64_t next = bag->ids[j + HITS_AHEAD] * value_dim + column;

#pragma GCC unroll 16
            for (int c = 0; c < n_vectors; c++)
                row_prefetch(values, dtype, next + c * VEC, c * VEC);
        }
#pragma GCC unroll 16
        for (int c = 0; c < n_vectors; c++)
            sum[c] = vec_fma(weight, row_load(values, dtype, row + c * VEC, left), sum[c]);
    }
#pragma GCC unroll 16
    for (int c = 0; c < n_vectors; c++)
        vec_store(bag->out + column + c * VEC, sum[c], left);
}

PKM_INLINE void bag_all(float *restrict out, const void *restrict values, pkm_dtype dtype,
                        const int32_t *restrict ids, const float *restrict weights, int64_t n_rows,
                        int64_t hits, int64_t value_dim)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const bag_rest bag = {out + r * value_dim, ids + r * hits, weights + r * hits, hits,
                              (n_rows - r) * hits};
        int64_t column = 0;

        for (; column + STRIP * VEC <= value_dim; column += STRIP * VEC)
            bag_strip(&bag, values, dtype, value_dim, column, STRIP);
        for (; column + 4 * VEC <= value_dim; column += 4 * VEC)
            bag_strip(&bag, values, dtype, value_dim, column, 4);
        for (; column < value_dim; column += VEC)
            bag_strip(&bag, values, dtype, value_dim, column, 1);
    }
}
