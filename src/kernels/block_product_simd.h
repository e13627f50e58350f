/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block product over vectors; include after a vec_<isa>.h, once per variant. What differs by
 * the dtype is one step over A and B: a row of each in f32, a pair of rows in bf16. The including
 * file gives it for bf16 as pairs_fma: sum + a[0] b[0] + a[1] b[1] for the pair of A and a vector
 * of pairs of B.
 */
#include <string.h>

#include "kernels/block_product.h"

enum { TILE_ROWS = 4 };

/* sum += the step of A, f32 or a pair of bf16 at `a`, times a vector of the steps of B. */
static inline __attribute__((always_inline)) vec step_fma(const char *a, vec b, vec sum, bool bf16)
{
    float step;

    memcpy(&step, a, sizeof step);
    return bf16 ? pairs_fma(vec_set(step), b, sum) : vec_fma(vec_set(step), b, sum);
}

/*
 * Rows [i, i + rows) and vectors [0, vecs) from column j on, of which the last vector has `left`
 * elements. rows, vecs and bf16 are constants wherever it is called: sums stay in registers. A step
 * takes 4 bytes of a row of A and of a column of B, in either dtype.
 */
static inline __attribute__((always_inline)) void product_tile(const pkm_block_product *p,
                                                               int64_t i, int64_t j, int rows,
                                                               int vecs, int64_t left, bool bf16)
{
    vec sum[TILE_ROWS][VEC_TILE];
    int64_t bytes = bf16 ? 2 : 4, steps = bf16 ? p->k / 2 : p->k;
    const char *a = (const char *)p->a + i * p->a_row * bytes;
    const char *b = (const char *)p->b + 4 * j;
    float *c = p->c + i * p->c_row + j;

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++)
            sum[r][v] = p->add ? vec_load(c + r * p->c_row + v * VEC, v + 1 < vecs ? VEC : left)
                               : vec_set(0);
    for (int64_t l = 0; l < steps; l++, a += 4, b += p->b_row * bytes) {
        vec row[VEC_TILE];

#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++)
            row[v] = vec_load((const float *)(const void *)b + v * VEC, v + 1 < vecs ? VEC : left);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int v = 0; v < vecs; v++)
                sum[r][v] = step_fma(a + r * p->a_row * bytes, row[v], sum[r][v], bf16);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++)
            vec_store(c + r * p->c_row + v * VEC, sum[r][v], v + 1 < vecs ? VEC : left);
}

/* All columns of rows [i, i + rows): wide tiles, then narrower ones. */
static inline __attribute__((always_inline)) void product_rows(const pkm_block_product *p,
                                                               int64_t i, int rows, bool bf16)
{
    int64_t j = 0;

    for (; j + VEC_TILE * VEC <= p->n; j += VEC_TILE * VEC)
        product_tile(p, i, j, rows, VEC_TILE, VEC, bf16);
    for (; j + VEC_TILE / 2 * VEC <= p->n; j += VEC_TILE / 2 * VEC)
        product_tile(p, i, j, rows, VEC_TILE / 2, VEC, bf16);
    for (; j + VEC <= p->n; j += VEC)
        product_tile(p, i, j, rows, 1, VEC, bf16);
    if (j < p->n)
        product_tile(p, i, j, rows, 1, p->n - j, bf16);
}

static inline __attribute__((always_inline)) void product_all(const pkm_block_product *p, bool bf16)
{
    int64_t i = 0;

    for (; i + TILE_ROWS <= p->m; i += TILE_ROWS)
        product_rows(p, i, TILE_ROWS, bf16);
    for (; i < p->m; i++)
        product_rows(p, i, 1, bf16);
}
