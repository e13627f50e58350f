/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums in tiles of 16 rows x 16 columns; a step multiplies 16 rows x 32 elements of A, as they lie
 * in memory, with 32 elements x one strip of B.
 */
#include "kernels/vec_avx512.h"

#include <string.h>

#include "kernels/strip_finish_simd.h"
#include "kernels/tiles_amx.h"

enum { TILE = 16, ROWS = 2 * TILE, COLUMNS = 2 * PKM_STRIP, STEP = PKM_STRIP_STEP };
enum { SUMS_BYTES = COLUMNS * 4, STEP_BYTES = STEP * 2, STRIP_STEP = STEP * PKM_STRIP };

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
    tiles_configure(&config);
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
    tiles_will_read(rest);
    step(rest, STEP, b + (p->k - left) * PKM_STRIP, p->b_strip, lower, right);
}

/* A block of y on its way: `rows` from row i on (0: there is none), `columns` from column j on. */
typedef struct sums_block {
    int64_t i, j, rows, columns;
    const float *start; /* what is added to, NULL: nothing */
    float *sums;        /* where sums go */
    int64_t start_row, sums_row;
} sums_block;

/* Finishes rows [first, last). */
static inline void finish_some(const pkm_strip_product *p, const sums_block *block, int64_t first,
                               int64_t last)
{
    finish(p, block->i + first, block->j, last - first, block->columns,
           block->sums + first * COLUMNS, COLUMNS);
}

static inline __attribute__((always_inline)) void load_sums(const sums_block *block, bool lower,
                                                            bool right)
{
    int64_t bytes = block->start_row * 4;
    const float *low;

    if (block->start == NULL) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    low = block->start + TILE * block->start_row;
    _tile_loadd(0, block->start, bytes);
    if (right)
        _tile_loadd(1, block->start + TILE, bytes);
    if (lower)
        _tile_loadd(2, low, bytes);
    if (lower && right)
        _tile_loadd(3, low + TILE, bytes);
}

static inline __attribute__((always_inline)) void store_sums(const sums_block *block, bool lower,
                                                             bool right)
{
    float *low = block->sums + TILE * block->sums_row;
    int64_t bytes = block->sums_row * 4;

    _tile_stored(0, block->sums, bytes);
    if (right)
        _tile_stored(1, block->sums + TILE, bytes);
    if (lower)
        _tile_stored(2, low, bytes);
    if (lower && right)
        _tile_stored(3, low + TILE, bytes);
}

/*
 * The sums of a block. Meanwhile the one before it is finished, some rows after each step: vectors
 * and tiles are different units, and the processor does not look far enough ahead to find that out
 * by itself.
 */
static inline __attribute__((always_inline)) void block_sums(const pkm_strip_product *p,
                                                             const sums_block *block,
                                                             const sums_block *before, bool lower,
                                                             bool right)
{
    const uint16_t *a = (const uint16_t *)p->a + block->i * p->a_row;
    const uint16_t *b = (const uint16_t *)p->b + block->j / PKM_STRIP * p->b_strip;
    int64_t steps = p->k / STEP, share = before->rows / (steps + 1) + 1, done = 0;

    load_sums(block, lower, right);
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
    store_sums(block, lower, right);
}

/*
 * Sums start from an f32 base, and where nothing else is to be done they go to y at once. A block
 * at an edge goes by way of `room`, so that whole tiles are read and written there.
 */
static inline sums_block plan_block(const pkm_strip_product *p, const float *base, int64_t i,
                                    int64_t j, int64_t rows, int64_t columns, float *room)
{
    sums_block block = {.i = i, .j = j, .rows = rows, .columns = columns, .sums = room};
    bool whole = rows == ROWS && columns == COLUMNS;

    block.sums_row = COLUMNS;
    if (base != NULL) {
        block.start = base + i * p->base_row + j;
        block.start_row = p->base_row;
    }
    if (base != NULL && !whole) {
        for (int64_t r = 0; r < rows; r++)
            memcpy(room + r * COLUMNS, block.start + r * p->base_row, (size_t)columns * 4);
        tiles_will_read(room);
        block.start = room;
        block.start_row = COLUMNS;
    }
    if (whole && p->y_dtype == PKM_F32 && p->bias == NULL && p->gelu == NULL) {
        block.sums = (float *)p->y + i * p->y_row + j;
        block.sums_row = p->y_row;
    }
    return block;
}

/* Rows [first, end), in blocks of `rows` of them, and columns [left, right); base is f32. */
static inline __attribute__((always_inline)) void product_part(const pkm_strip_product *p,
                                                               const float *base, int64_t first,
                                                               int64_t end, int64_t rows,
                                                               int64_t left, int64_t right,
                                                               bool lower)
{
    float room[2][ROWS * COLUMNS] __attribute__((aligned(64)));
    sums_block before = {0};
    int which = 0;

    for (int64_t i = first; i < end; i += rows) {
        for (int64_t j = left; j < right; j += COLUMNS, which = 1 - which) {
            int64_t columns = right - j < COLUMNS ? right - j : COLUMNS;
            sums_block now = plan_block(p, base, i, j, rows, columns, room[which]);

            if (columns > PKM_STRIP)
                block_sums(p, &now, &before, lower, true);
            else
                block_sums(p, &now, &before, lower, false);
            before = now;
            if (now.sums != room[which])
                before.rows = 0; /* finished */
        }
    }
    if (before.rows > 0)
        finish_some(p, &before, 0, before.rows);
}

/* As many strips at a time as stay in the second-level cache, for all rows. */
static inline __attribute__((always_inline)) void product_rows(const pkm_strip_product *p,
                                                               const float *base, int64_t first,
                                                               int64_t end, int64_t rows,
                                                               bool lower)
{
    enum { CACHED = 512 << 10 };
    int64_t strips = CACHED / (p->k * PKM_STRIP * 2 + 1) / 2 * 2;
    int64_t columns = (strips < 2 ? 2 : strips) * PKM_STRIP;

    configure(rows);
    for (int64_t j = 0; j < p->n; j += columns)
        product_part(p, base, first, end, rows, j, p->n - j < columns ? p->n : j + columns, lower);
}

void pkm_strip_product_bf16_amx(const pkm_strip_product *product)
{
    pkm_strip_product p = *product;
    int64_t rest = p.m % ROWS, whole = p.m - rest;
    const float *base = p.y_dtype == PKM_F32 ? p.base : NULL;

    if (base != NULL)
        p.base = NULL; /* sums start from it */
    if (whole > 0)
        product_rows(&p, base, 0, whole, ROWS, true);
    if (rest > TILE)
        product_rows(&p, base, whole, p.m, rest, true);
    else if (rest > 0)
        product_rows(&p, base, whole, p.m, rest, false);
    _tile_release();
}
