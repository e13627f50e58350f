/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponentials of columns over vectors; include after a vec_<isa>.h, once per variant. Two rows at
 * a time from left to right: blocks are read and written in the order they lie in memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "kernels/exp_columns.h"
#include "kernels/exp_simd.h"
#include "kernels/strip_product.h"

/* What is done with the powers; a constant wherever it is given. */
enum exp_columns_store { SUMS_ONLY, STORE_F32, STORE_BF16 };

/* Rows i and, if `two`, i + 1. */
static inline __attribute__((always_inline)) void exp_columns_rows(const pkm_exp_columns *b,
                                                                   int64_t i, bool two,
                                                                   enum exp_columns_store store)
{
    const float *x = b->x + i * b->x_row;
    int64_t at = i * b->power_row;
    uint16_t none[VEC]; /* where a second row goes that is not there */

    for (int64_t j = 0; j < b->n; j += VEC) {
        int64_t strip = j / PKM_STRIP * b->strip_step, column = j % PKM_STRIP;
        vec shift = vec_load_all(b->shift + j), second = vec_set(0);
        vec first = vec_exp(vec_sub(vec_load_all(x + j), shift));
        vec sum = vec_add(vec_load_all(b->sum + j), first);

        if (two) {
            second = vec_exp(vec_sub(vec_load_all(x + b->x_row + j), shift));
            sum = vec_add(sum, second);
        }
        vec_store(b->sum + j, sum, VEC);
        if (store == STORE_F32) {
            float *row = (float *)b->power + at + j;
            float *copy = (float *)b->strips + strip + i * PKM_STRIP + column;

            vec_store(row, first, VEC);
            vec_store(copy, first, VEC);
            if (two) {
                vec_store(row + b->power_row, second, VEC);
                vec_store(copy + PKM_STRIP, second, VEC);
            }
        }
        if (store == STORE_BF16) {
            uint16_t *row = (uint16_t *)b->power + at + j;
            vec_two rounded = vec_round_two(first, second);

            vec_store_two(row, two ? row + b->power_row : none, rounded);
            vec_store_pairs((uint16_t *)b->strips + strip + i * PKM_STRIP + 2 * column, rounded);
        }
    }
}

static inline __attribute__((always_inline)) void exp_columns_all(const pkm_exp_columns *b,
                                                                  enum exp_columns_store store)
{
    int64_t i = 0;

    memset(b->sum, 0, (size_t)b->n * sizeof *b->sum);
    for (; i + 2 <= b->m; i += 2)
        exp_columns_rows(b, i, true, store);
    if (i < b->m)
        exp_columns_rows(b, i, false, store);
}
