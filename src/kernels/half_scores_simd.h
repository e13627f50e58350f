/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half scores over vectors; include after a vec_<isa>.h. Register tiles of 6 queries x VEC_TILE
 * vectors of keys: with 512 bits 24 of 32 registers hold sums, with 256 bits 12 of 16.
 */
#include "kernels/half_scores.h"
#include "kernels/row_simd.h"

enum { TILE_ROWS = 6, TILE_KEYS = VEC_TILE * VEC };

/* Adds one element of the queries times that of the keys. Keys of bf16 lie in pairs of elements:
 * `second` tells which of them. */
PKM_INLINE void tile_step(vec sum[TILE_ROWS][VEC_TILE], const void *queries, const void *keys,
                          pkm_dtype dtype, int64_t query_stride, const int rows, const bool second)
{
    vec key[VEC_TILE];

#pragma GCC unroll 4
    for (int c = 0; c < VEC_TILE; c++) {
        const uint16_t *pairs = (const uint16_t *)keys + 2 * VEC * c;

        key[c] = dtype == PKM_F32 ? vec_load_all((const float *)keys + VEC * c)
                 : second         ? vec_load_second(pairs)
                                  : vec_load_first(pairs);
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        vec query = vec_set(dtype == PKM_F32
                                ? ((const float *)queries)[r * query_stride]
                                : pkm_bf16_to_f32(((const uint16_t *)queries)[r * query_stride]));

#pragma GCC unroll 4
        for (int c = 0; c < VEC_TILE; c++)
            sum[r][c] = vec_fma(query, key[c], sum[r][c]);
    }
}

/* scores [rows, TILE_KEYS], n_scores apart; queries [rows, width]; `panel` at the first of the
 * keys. */
PKM_INLINE void tile(float *scores, int64_t n_scores, const void *queries, const void *panel,
                     pkm_dtype dtype, int64_t query_stride, int64_t width, const int rows)
{
    vec sum[TILE_ROWS][VEC_TILE];

#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < VEC_TILE; c++)
            sum[r][c] = vec_set(0);
    if (dtype == PKM_F32) {
        for (int64_t d = 0; d < width; d++)
            tile_step(sum, (const float *)queries + d, (const float *)panel + d * PKM_PANEL_KEYS,
                      dtype, query_stride, rows, false);
    } else {
        for (int64_t d = 0; d < width; d += 2) {
            const uint16_t *pairs = (const uint16_t *)panel + d * PKM_PANEL_KEYS;

            tile_step(sum, (const uint16_t *)queries + d, pairs, dtype, query_stride, rows, false);
            tile_step(sum, (const uint16_t *)queries + d + 1, pairs, dtype, query_stride, rows,
                      true);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < VEC_TILE; c++)
            vec_store(scores + r * n_scores + c * VEC, sum[r][c], VEC);
}

PKM_INLINE void half_scores_all(float *restrict scores, const void *restrict queries,
                                const void *restrict panels, pkm_dtype dtype, int64_t n_queries,
                                int64_t query_stride, int64_t n_panels, int64_t width)
{
    const int64_t n_scores = n_panels * PKM_PANEL_KEYS, bytes = (int64_t)pkm_dtype_bytes(dtype);
    const int64_t pair = dtype == PKM_F32 ? 1 : 2;

    for (int64_t i = 0; i < n_scores; i += TILE_KEYS) {
        int64_t first = i / PKM_PANEL_KEYS * width * PKM_PANEL_KEYS + i % PKM_PANEL_KEYS * pair;
        const char *keys = (const char *)panels + first * bytes;
        const char *query = queries;
        float *out = scores + i;
        int64_t q = 0;

        for (; q + TILE_ROWS <= n_queries; q += TILE_ROWS)
            tile(out + q * n_scores, n_scores, query + q * query_stride * bytes, keys, dtype,
                 query_stride, width, TILE_ROWS);
        for (; q < n_queries; q++)
            tile(out + q * n_scores, n_scores, query + q * query_stride * bytes, keys, dtype,
                 query_stride, width, 1);
    }
}
