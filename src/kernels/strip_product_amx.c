/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums in tiles of 16 rows x 16 columns; a step multiplies 16 rows x 32 elements of A, as they lie
 * in memory, with 32 elements x one strip of B.
 */
#include "kernels/vec_avx512.h"

#include <string.h>

#include "kernels/strip_finish_simd.h"

enum { TILE = 16, ROWS = 2 * TILE, COLUMNS = 2 * PKM_STRIP, STEP = PKM_STRIP_STEP };
enum { SUMS_BYTES = COLUMNS * 4, STEP_BYTES = STEP * 2, STRIP_STEP = STEP * PKM_STRIP };

/* The operand of LDTILECFG. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Tiles 0 and 1 are sums of the upper rows, 2 and 3 of the lower ones; A: 4 above, 5 below; B: 6
 * and 7. A side that does not exist keeps whole tiles, unused. */
static void configure(int64_t rows)
{
    static const bool lower[8] = {[2] = true, [3] = true, [5] = true};
    tile_config config = {.palette = 1};

    for (int t = 0; t < 8; t++) {
        int64_t exist = t >= 6 ? TILE : lower[t] ? rows - TILE : rows;

        config.rows[t] = (uint8_t)(exist < 1 || exist > TILE ? TILE : exist);
        config.row_bytes[t] = 64;
    }
    _tile_loadconfig(&config);
}

/* One step; lower and right say whether these tiles exist. */
static inline __attribute__((always_inline)) void step(const uint16_t *a, int64_t a_row,
                                                       const uint16_t *b, int64_t b_strip,
                                                       bool lower, bool right)
{
    _tile_loadd(4, a, a_row * 2);
    _tile_loadd(6, b, STEP_BYTES);
    _tile_dpbf16ps(0, 4, 6);
    if (right) {
        _tile_loadd(7, b + b_strip, STEP_BYTES);
        _tile_dpbf16ps(1, 4, 7);
    }
    if (lower) {
        _tile_loadd(5, a + TILE * a_row, a_row * 2);
        _tile_dpbf16ps(2, 5, 6);
        if (right)
            _tile_dpbf16ps(3, 5, 7);
    }
}

/* What is left of k, filled up with zeros: nothing is read past the end of a row. */
static void last_step(const pkm_strip_product *p, const uint16_t *a, const uint16_t *b,
                      int64_t rows, bool lower, bool right)
{
    uint16_t rest[ROWS * STEP] __attribute__((aligned(64))) = {0};
    int64_t left = p->k % STEP;

    for (int64_t r = 0; r < rows; r++)
        memcpy(rest + r * STEP, a + r * p->a_row + p->k - left, (size_t)left * sizeof *rest);
    step(rest, STEP, b + (p->k - left) * PKM_STRIP, p->b_strip, lower, right);
}

/* A block of sums that is not finished yet. */
typedef struct pending {
    int64_t i, j, rows, columns; /* rows = 0: nothing */
    const float *sums;
} pending;

/* Finishes rows [first, last) of it. */
static inline void finish_some(const pkm_strip_product *p, const pending *block, int64_t first,
                               int64_t last)
{
    finish(p, block->i + first, block->j, last - first, block->columns,
           block->sums + first * COLUMNS, COLUMNS);
}

/*
 * The sums of rows from i on and one or two strips from column j on. Meanwhile `before` is
 * finished, some rows after each step: vectors and tiles are different units, and the processor
 * does not look far enough ahead to find that out by itself.
 */
static inline __attribute__((always_inline)) void block_sums(const pkm_strip_product *p,
                                                             const pending *block, float *sums,
                                                             const pending *before, bool lower,
                                                             bool right)
{
    const uint16_t *a = (const uint16_t *)p->a + block->i * p->a_row;
    const uint16_t *b = (const uint16_t *)p->b + block->j / PKM_STRIP * p->b_strip;
    int64_t steps = p->k / STEP, share = before->rows / (steps + 1) + 1, done = 0;

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t l = 0; l < steps; l++) {
        step(a + l * STEP, p->a_row, b + l * STRIP_STEP, p->b_strip, lower, right);
        if (done + share <= before->rows) {
            finish_some(p, before, done, done + share);
            done += share;
        }
    }
    if (p->k % STEP > 0)
        last_step(p, a, b, block->rows, lower, right);
    if (done < before->rows)
        finish_some(p, before, done, before->rows);
    _tile_stored(0, sums, SUMS_BYTES);
    if (right)
        _tile_stored(1, sums + TILE, SUMS_BYTES);
    if (lower)
        _tile_stored(2, sums + TILE * COLUMNS, SUMS_BYTES);
    if (lower && right)
        _tile_stored(3, sums + TILE * COLUMNS + TILE, SUMS_BYTES);
}

/* Rows [first, end), in blocks of `rows` of them, and columns [left, right). */
static inline __attribute__((always_inline)) void product_part(const pkm_strip_product *p,
                                                               int64_t first, int64_t end,
                                                               int64_t rows, int64_t left,
                                                               int64_t right, bool lower)
{
    float sums[2][ROWS * COLUMNS] __attribute__((aligned(64)));
    pending before = {0};
    int which = 0;

    for (int64_t i = first; i < end; i += rows) {
        for (int64_t j = left; j < right; j += COLUMNS, which = 1 - which) {
            int64_t columns = right - j < COLUMNS ? right - j : COLUMNS;
            pending block = {i, j, rows, columns, sums[which]};

            if (columns > PKM_STRIP)
                block_sums(p, &block, sums[which], &before, lower, true);
            else
                block_sums(p, &block, sums[which], &before, lower, false);
            before = block;
        }
    }
    finish_some(p, &before, 0, before.rows);
}

/* As many strips at a time as stay in the second-level cache, for all rows. */
static inline __attribute__((always_inline)) void product_rows(const pkm_strip_product *p,
                                                               int64_t first, int64_t end,
                                                               int64_t rows, bool lower)
{
    enum { CACHED = 512 << 10 };
    int64_t strips = CACHED / (p->k * PKM_STRIP * 2 + 1) / 2 * 2;
    int64_t columns = (strips < 2 ? 2 : strips) * PKM_STRIP;

    configure(rows);
    for (int64_t j = 0; j < p->n; j += columns)
        product_part(p, first, end, rows, j, p->n - j < columns ? p->n : j + columns, lower);
}

void pkm_strip_product_bf16_amx(const pkm_strip_product *product)
{
    const pkm_strip_product *p = product;
    int64_t rest = p->m % ROWS, whole = p->m - rest;

    if (whole > 0)
        product_rows(p, 0, whole, ROWS, true);
    if (rest > TILE)
        product_rows(p, whole, p->m, rest, true);
    else if (rest > 0)
        product_rows(p, whole, p->m, rest, false);
    _tile_release();
}
