/* SPDX-License-Identifier: Apache-2.0 */
/* The block product over vectors; include after a vec_<isa>.h, once per variant. */
#include "kernels/block_product.h"

enum { TILE_ROWS = 4 };

/*
 * Rows [i, i + rows) and vectors [0, vecs) from column j on, of which the last vector has `left`
 * elements. rows and vecs are constants wherever it is called: sums stay in registers.
 */
static inline __attribute__((always_inline)) void product_tile(const pkm_block_product *p,
                                                               int64_t i, int64_t j, int rows,
                                                               int vecs, int64_t left)
{
    vec sum[TILE_ROWS][VEC_TILE];
    const float *a = p->a + i * p->a_row;
    const float *b = p->b + j;
    float *c = p->c + i * p->c_row + j;

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++)
            sum[r][v] = p->add ? vec_load(c + r * p->c_row + v * VEC, v + 1 < vecs ? VEC : left)
                               : vec_set(0);
    for (int64_t l = 0; l < p->k; l++, a += p->a_step, b += p->b_row) {
        vec row[VEC_TILE];

#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++)
            row[v] = vec_load(b + v * VEC, v + 1 < vecs ? VEC : left);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int v = 0; v < vecs; v++)
                sum[r][v] = vec_fma(vec_set(a[r * p->a_row]), row[v], sum[r][v]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++)
            vec_store(c + r * p->c_row + v * VEC, sum[r][v], v + 1 < vecs ? VEC : left);
}

/* All columns of rows [i, i + rows): wide tiles, then narrower ones. */
static inline __attribute__((always_inline)) void product_rows(const pkm_block_product *p,
                                                               int64_t i, int rows)
{
    int64_t j = 0;

    for (; j + VEC_TILE * VEC <= p->n; j += VEC_TILE * VEC)
        product_tile(p, i, j, rows, VEC_TILE, VEC);
    for (; j + VEC_TILE / 2 * VEC <= p->n; j += VEC_TILE / 2 * VEC)
        product_tile(p, i, j, rows, VEC_TILE / 2, VEC);
    for (; j + VEC <= p->n; j += VEC)
        product_tile(p, i, j, rows, 1, VEC);
    if (j < p->n)
        product_tile(p, i, j, rows, 1, p->n - j);
}

static inline void product_all(const pkm_block_product *p)
{
    int64_t i = 0;

    for (; i + TILE_ROWS <= p->m; i += TILE_ROWS)
        product_rows(p, i, TILE_ROWS);
    for (; i < p->m; i++)
        product_rows(p, i, 1);
}
