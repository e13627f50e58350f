/* SPDX-License-Identifier: Apache-2.0 */
/* What a strip product does with a block of sums; include after a vec_<isa>.h. */
#include <stdbool.h>
#include <stddef.h>

#include "kernels/gelu_simd.h"
#include "kernels/strip_product.h"

static inline vec load_as(const void *data, int64_t at, int64_t left, bool bf16)
{
    return bf16 ? vec_load_bf16((const uint16_t *)data + at, left)
                : vec_load((const float *)data + at, left);
}

static inline void store_as(void *data, int64_t at, vec x, int64_t left, bool bf16)
{
    if (bf16)
        vec_store_bf16((uint16_t *)data + at, x, left);
    else
        vec_store((float *)data + at, x, left);
}

/* A vector of y, of which `left` elements exist, from its sums with bias; returns what is stored,
 * not rounded. The flags are constants wherever it is called. */
static inline __attribute__((always_inline)) vec finish_one(const pkm_strip_product *p, int64_t i,
                                                            int64_t j, int64_t left, vec sum,
                                                            bool bf16, bool base)
{
    if (base)
        sum = vec_add(load_as(p->base, i * p->base_row + j, left, bf16), sum);
    store_as(p->y, i * p->y_row + j, sum, left, bf16);
    return sum;
}

static inline vec bias_of(const pkm_strip_product *p, int64_t j, int64_t left)
{
    return p->bias == NULL ? vec_set(0) : vec_load(p->bias + j, left);
}

/* VEC columns from j on, of which `left` exist; the flags are constants wherever it is called. */
static inline __attribute__((always_inline)) void finish_vec(const pkm_strip_product *p, int64_t i,
                                                             int64_t j, int64_t rows, int64_t left,
                                                             const float *sums, int64_t sums_row,
                                                             bool bf16, bool base, bool gelu)
{
    vec bias = bias_of(p, j, left), square;

    for (int64_t r = 0; r < rows; r++) {
        vec s = vec_add(vec_load_all(sums + r * sums_row), bias);

        s = finish_one(p, i + r, j, left, s, bf16, base);
        if (!gelu)
            continue;
        if (bf16)
            s = vec_round_bf16(s);
        store_as(p->gelu, (i + r) * p->gelu_row + j, vec_mul(s, gelu_gate(s, &square)), left, bf16);
    }
}

/* Rows [i, i + rows) and columns [j, j + columns) of y from sums [rows, sums_row], whose rows are
 * whole vectors. */
static inline void finish(const pkm_strip_product *p, int64_t i, int64_t j, int64_t rows,
                          int64_t columns, const float *sums, int64_t sums_row)
{
    bool bf16 = p->y_dtype == PKM_BF16, base = p->base != NULL;

    for (int64_t v = 0; v < columns; v += VEC) {
        const float *from = sums + v;
        int64_t left = columns - v;

        if (p->gelu != NULL && bf16)
            finish_vec(p, i, j + v, rows, left, from, sums_row, true, base, true);
        else if (p->gelu != NULL)
            finish_vec(p, i, j + v, rows, left, from, sums_row, false, base, true);
        else if (bf16 && base)
            finish_vec(p, i, j + v, rows, left, from, sums_row, true, true, false);
        else if (bf16)
            finish_vec(p, i, j + v, rows, left, from, sums_row, true, false, false);
        else if (base)
            finish_vec(p, i, j + v, rows, left, from, sums_row, false, true, false);
        else
            finish_vec(p, i, j + v, rows, left, from, sums_row, false, false, false);
    }
}
