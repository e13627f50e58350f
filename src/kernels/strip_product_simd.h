/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strip product over vectors; include after a vec_<isa>.h, once per variant. As in the block
 * product, bf16 goes by pairs_fma, of pairs_simd.h or the including file's own.
 */
#include <string.h>

#include "kernels/strip_finish_simd.h"

/* A block of sums that the registers hold: 24 vectors of 32, 12 of the 16 that AVX2 has. */
enum { VECS = VEC == 4 ? 4 : 2, COLUMNS = VECS * VEC, ROWS = VEC == 16 ? 12 : 6 };

/* sum += the step of A, f32 or a pair of bf16, times a vector of the steps of B. */
static inline __attribute__((always_inline)) vec step_fma(float step, vec b, vec sum, bool bf16)
{
    return bf16 ? pairs_fma(vec_set(step), b, sum) : vec_fma(vec_set(step), b, sum);
}

/* sums [rows, COLUMNS] of A's rows from i on and B's columns from j on, a multiple of COLUMNS.
 * rows and bf16 are constants wherever it is called. A step is 4 bytes of a row of A and of a
 * column of B in either dtype; the last one of an odd k in bf16 is half of that. */
static inline __attribute__((always_inline)) void block_sums(const pkm_strip_product *p, int64_t i,
                                                             int64_t j, int rows, float *sums,
                                                             bool bf16)
{
    vec sum[ROWS][VECS];
    int64_t bytes = bf16 ? 2 : 4, steps = bf16 ? p->k / 2 : p->k;
    const char *a = (const char *)p->a + i * p->a_row * bytes;
    const float *b[VECS];
    float step;

#pragma GCC unroll 4
    for (int v = 0; v < VECS; v++) {
        int64_t column = j + v * VEC, exists = column < p->n ? column : j;

        b[v] = (const float *)(const void *)((const char *)p->b +
                                             exists / PKM_STRIP * p->b_strip * bytes) +
               exists % PKM_STRIP;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++)
            sum[r][v] = vec_set(0);
    for (int64_t l = 0; l < steps; l++, a += 4) {
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            memcpy(&step, a + r * p->a_row * bytes, sizeof step);
#pragma GCC unroll 4
            for (int v = 0; v < VECS; v++)
                sum[r][v] = step_fma(step, vec_load_all(b[v] + l * PKM_STRIP), sum[r][v], bf16);
        }
    }
    if (bf16 && p->k % 2 != 0)
        for (int r = 0; r < rows; r++) {
            uint16_t half[2] = {0};

            memcpy(half, a + r * p->a_row * bytes, sizeof half[0]);
            memcpy(&step, half, sizeof step);
#pragma GCC unroll 4
            for (int v = 0; v < VECS; v++)
                sum[r][v] = step_fma(step, vec_load_all(b[v] + steps * PKM_STRIP), sum[r][v], bf16);
        }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++)
            vec_store(sums + r * COLUMNS + v * VEC, sum[r][v], VEC);
}

/* Columns in the outer loop: a few strips of B stay in the first cache. */
static inline __attribute__((always_inline)) void product_all(const pkm_strip_product *p, bool bf16)
{
    float sums[ROWS * COLUMNS];

    for (int64_t j = 0; j < p->n; j += COLUMNS) {
        int64_t columns = p->n - j < COLUMNS ? p->n - j : COLUMNS, i = 0;

        for (; i + ROWS <= p->m; i += ROWS) {
            block_sums(p, i, j, ROWS, sums, bf16);
            finish(p, i, j, ROWS, columns, sums, COLUMNS);
        }
        for (; i < p->m; i++) {
            block_sums(p, i, j, 1, sums, bf16);
            finish(p, i, j, 1, columns, sums, COLUMNS);
        }
    }
}
