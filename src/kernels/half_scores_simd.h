/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half scores over vectors; include after a vec_<isa>.h. Register tiles of up to 6 queries x
 * VEC_TILE vectors of keys: with 512 bits 24 of 32 registers hold sums, with 256 bits 12 of 16.
 */
#include "kernels/half_scores.h"
#include "kernels/row_simd.h"

enum { TILE_ROWS = 6, TILE_KEYS = VEC_TILE * VEC };

/* scores [rows, TILE_KEYS], n_scores apart; queries [rows, width]; `panel` at the first of the
 * keys. */
PKM_INLINE void tile(float *scores, int64_t n_scores, const float *queries, int64_t query_stride,
                     const float *panel, int64_t width, const int rows)
{
    vec sum[TILE_ROWS][VEC_TILE];

#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < VEC_TILE; c++)
            sum[r][c] = vec_set(0);
    for (int64_t d = 0; d < width; d++) {
        vec key[VEC_TILE];

#pragma GCC unroll 4
        for (int c = 0; c < VEC_TILE; c++)
            key[c] = vec_load_all(panel + d * PKM_PANEL_KEYS + c * VEC);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vec query = vec_set(queries[r * query_stride + d]);

#pragma GCC unroll 4
            for (int c = 0; c < VEC_TILE; c++)
                sum[r][c] = vec_fma(query, key[c], sum[r][c]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < VEC_TILE; c++)
            vec_store(scores + r * n_scores + c * VEC, sum[r][c], VEC);
}

/* The same for 1 to TILE_ROWS rows. */
PKM_INLINE void tile_of(float *scores, int64_t n_scores, const float *queries, int64_t query_stride,
                        const float *panel, int64_t width, int64_t rows)
{
    switch (rows) {
    case 1:
        tile(scores, n_scores, queries, query_stride, panel, width, 1);
        break;
    case 2:
        tile(scores, n_scores, queries, query_stride, panel, width, 2);
        break;
    case 3:
        tile(scores, n_scores, queries, query_stride, panel, width, 3);
        break;
    case 4:
        tile(scores, n_scores, queries, query_stride, panel, width, 4);
        break;
    case 5:
        tile(scores, n_scores, queries, query_stride, panel, width, 5);
        break;
    default:
        tile(scores, n_scores, queries, query_stride, panel, width, TILE_ROWS);
    }
}

PKM_INLINE void half_scores_all(float *restrict scores, const float *restrict queries,
                                const float *restrict panels, int64_t n_queries,
                                int64_t query_stride, int64_t n_panels, int64_t width)
{
    const int64_t n_scores = n_panels * PKM_PANEL_KEYS;

    for (int64_t i = 0; i < n_scores; i += TILE_KEYS) {
        const float *keys =
            panels + i / PKM_PANEL_KEYS * width * PKM_PANEL_KEYS + i % PKM_PANEL_KEYS;

        for (int64_t q = 0; q < n_queries; q += TILE_ROWS)
            tile_of(scores + i + q * n_scores, n_scores, queries + q * query_stride, query_stride,
                    keys, width, n_queries - q);
    }
}
