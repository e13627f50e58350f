/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strip product over vectors; include after a vec_<isa>.h, once per variant. As in the block
 * product, bf16 goes by pairs_fma, of pairs_simd.h or the including file's own.
 */
#include <string.h>

#include "kernels/strip_finish_simd.h"

/* A tile of sums that the registers hold, of 6 rows: what is left over goes by 2 rows, then by one.
 * A wide tile loads least for what it computes: 10 times for 24 products. */
enum { ROWS = 6, VECS = VEC == 8 ? 2 : 4, COLUMNS = VECS * VEC };

/* What is constant wherever a tile is computed: its size, and the dtype of A and B. */
typedef struct tile {
    int rows, vecs;
    bool bf16;
} tile;

/* sum += a step of A's rows, at `a` and row_bytes apart, times that of B's columns, at `b`. A step
 * is 4 bytes of a row of A and of a column of B in either dtype; of the last one of an odd k in
 * bf16 only 2 bytes of A exist. */
static inline __attribute__((always_inline)) void tile_step(vec sum[ROWS][VECS], const char *a,
                                                            int64_t row_bytes,
                                                            const float *const *b, int64_t l,
                                                            size_t bytes, tile t)
{
    vec columns[VECS];

#pragma GCC unroll 4
    for (int v = 0; v < t.vecs; v++)
        columns[v] = vec_load_all(b[v] + l * PKM_STRIP);
#pragma GCC unroll 6
    for (int r = 0; r < t.rows; r++) {
        float step = 0;

        memcpy(&step, a + r * row_bytes, bytes);
#pragma GCC unroll 4
        for (int v = 0; v < t.vecs; v++)
            sum[r][v] = t.bf16 ? pairs_fma(vec_set(step), columns[v], sum[r][v])
                               : vec_fma(vec_set(step), columns[v], sum[r][v]);
    }
}

/* sum = that of A's rows from i on and B's columns from j on, a multiple of VEC. */
static inline __attribute__((always_inline)) void tile_sums(const pkm_strip_product *p, int64_t i,
                                                            int64_t j, vec sum[ROWS][VECS], tile t)
{
    int64_t bytes = t.bf16 ? 2 : 4, steps = t.bf16 ? p->k / 2 : p->k, row_bytes = p->a_row * bytes;
    const char *a = (const char *)p->a + i * row_bytes;
    const float *b[VECS];

#pragma GCC unroll 4
    for (int v = 0; v < t.vecs; v++) {
        int64_t column = j + v * VEC, exists = column < p->n ? column : j;

        b[v] = (const float *)(const void *)((const char *)p->b +
                                             exists / PKM_STRIP * p->b_strip * bytes) +
               exists % PKM_STRIP;
    }
#pragma GCC unroll 6
    for (int r = 0; r < t.rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < t.vecs; v++)
            sum[r][v] = vec_set(0);
    for (int64_t l = 0; l < steps; l++)
        tile_step(sum, a + 4 * l, row_bytes, b, l, 4, t);
    if (t.bf16 && p->k % 2 != 0)
        tile_step(sum, a + 4 * steps, row_bytes, b, steps, 2, t);
}

/* y of a whole tile out of the registers; the flags are constants wherever it is called. */
static inline __attribute__((always_inline)) void tile_finish(const pkm_strip_product *p, int64_t i,
                                                              int64_t j, vec sum[ROWS][VECS],
                                                              tile t, bool y_bf16, bool base)
{
    vec bias[VECS];

#pragma GCC unroll 4
    for (int v = 0; v < t.vecs; v++)
        bias[v] = bias_of(p, j + v * VEC, VEC);
#pragma GCC unroll 6
    for (int r = 0; r < t.rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < t.vecs; v++)
            (void)finish_one(p, i + r, j + v * VEC, VEC, vec_add(sum[r][v], bias[v]), y_bf16, base);
}

/* A tile of which `columns` columns exist. What is less frequent goes by way of memory. */
static inline __attribute__((always_inline)) void product_tile(const pkm_strip_product *p,
                                                               int64_t i, int64_t j,
                                                               int64_t columns, tile t)
{
    bool whole = t.rows == ROWS && columns == t.vecs * VEC && p->gelu == NULL;
    bool y_bf16 = p->y_dtype == PKM_BF16, base = p->base != NULL;
    vec sum[ROWS][VECS];
    float sums[ROWS * COLUMNS];

    tile_sums(p, i, j, sum, t);
    if (whole && y_bf16 && base) {
        tile_finish(p, i, j, sum, t, true, true);
    } else if (whole && y_bf16) {
        tile_finish(p, i, j, sum, t, true, false);
    } else if (whole && base) {
        tile_finish(p, i, j, sum, t, false, true);
    } else if (whole) {
        tile_finish(p, i, j, sum, t, false, false);
    } else {
#pragma GCC unroll 6
        for (int r = 0; r < t.rows; r++)
#pragma GCC unroll 4
            for (int v = 0; v < t.vecs; v++)
                vec_store(sums + r * COLUMNS + v * VEC, sum[r][v], VEC);
        finish(p, i, j, t.rows, columns, sums, COLUMNS);
    }
}

/* All rows of the columns from j on that a tile of `vecs` vectors holds. */
static inline __attribute__((always_inline)) void product_columns(const pkm_strip_product *p,
                                                                  int64_t j, int vecs, bool bf16)
{
    int64_t columns = p->n - j < vecs * VEC ? p->n - j : vecs * VEC, i = 0;

    for (; i + ROWS <= p->m; i += ROWS)
        product_tile(p, i, j, columns, (tile){ROWS, vecs, bf16});
    for (; i + 2 <= p->m; i += 2)
        product_tile(p, i, j, columns, (tile){2, vecs, bf16});
    if (i < p->m)
        product_tile(p, i, j, columns, (tile){1, vecs, bf16});
}

/* Columns in the outer loop: a few strips of B stay in a near cache. */
static inline __attribute__((always_inline)) void product_all(const pkm_strip_product *p, bool bf16)
{
    int64_t j = 0;

    for (; j + COLUMNS / 2 < p->n; j += COLUMNS)
        product_columns(p, j, VECS, bf16);
    if (j < p->n)
        product_columns(p, j, VECS / 2, bf16);
}
