/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles: C 16 x 16 f32, A 16 x 32 bf16, B 16 pairs x 16 columns; four tiles of C side by side share
 * each tile of A. The last rows of A and the last steps have tiles of their size; columns that do
 * not fill a tile are left to AVX512-BF16.
 */
#include "base/size.h"
#include "kernels/block_product.h"
#include "kernels/tiles_amx.h"

/* Tiles 0 to 3 hold sums. The compiler pastes the numbers into the instruction: no enum. */
#define A_TILE      4
#define B_TILE      5
#define LAST_A_TILE 6
#define LAST_B_TILE 7

enum { TILE = 16, STEP = 32, GROUP = 4 };

static void configure(int64_t n_rows, int64_t last)
{
    tile_config config = {.palette = 1};

    for (int t = 0; t <= A_TILE; t++) {
        config.rows[t] = (uint8_t)n_rows;
        config.row_bytes[t] = STEP * sizeof(uint16_t);
    }
    config.rows[B_TILE] = STEP / 2;
    config.row_bytes[B_TILE] = TILE * sizeof(float);
    if (last > 0) {
        config.rows[LAST_A_TILE] = (uint8_t)n_rows;
        config.row_bytes[LAST_A_TILE] = (uint16_t)(last * 2);
        config.rows[LAST_B_TILE] = (uint8_t)(last / 2);
        config.row_bytes[LAST_B_TILE] = TILE * sizeof(float);
    }
    tiles_configure(&config);
}

/* sum += a tile of A, loaded already, times the tile of B at b. */
#define MULTIPLY(sum, a_tile, b_tile, b)                                                           \
    do {                                                                                           \
        _tile_loadd(b_tile, b, b_bytes);                                                           \
        _tile_dpbf16ps(sum, a_tile, b_tile);                                                       \
    } while (0)

/* Up to 16 rows of C, `tiles` tiles from (i, j) on; tiles is a constant in every use. */
static inline __attribute__((always_inline)) void product_group(const pkm_block_product *p,
                                                                int64_t i, int64_t j, int tiles)
{
    const uint16_t *a = (const uint16_t *)p->a + i * p->a_row;
    const uint16_t *b = (const uint16_t *)p->b + 2 * j;
    float *c = p->c + i * p->c_row + j;
    const int64_t last = p->k % STEP;
    size_t a_bytes = (size_t)p->a_row * 2, b_bytes = (size_t)p->b_row * 2;
    size_t c_bytes = (size_t)p->c_row * 4;

    if (p->add) {
        _tile_loadd(0, c, c_bytes);
        if (tiles > 1)
            _tile_loadd(1, c + TILE, c_bytes);
        if (tiles > 2)
            _tile_loadd(2, c + 2 * TILE, c_bytes);
        if (tiles > 3)
            _tile_loadd(3, c + 3 * TILE, c_bytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t l = 0; l + STEP <= p->k; l += STEP, b += STEP / 2 * p->b_row) {
        _tile_loadd(A_TILE, a + l, a_bytes);
        MULTIPLY(0, A_TILE, B_TILE, b);
        if (tiles > 1)
            MULTIPLY(1, A_TILE, B_TILE, b + 2 * TILE);
        if (tiles > 2)
            MULTIPLY(2, A_TILE, B_TILE, b + 4 * TILE);
        if (tiles > 3)
            MULTIPLY(3, A_TILE, B_TILE, b + 6 * TILE);
    }
    if (last > 0) {
        _tile_loadd(LAST_A_TILE, a + p->k - last, a_bytes);
        MULTIPLY(0, LAST_A_TILE, LAST_B_TILE, b);
        if (tiles > 1)
            MULTIPLY(1, LAST_A_TILE, LAST_B_TILE, b + 2 * TILE);
        if (tiles > 2)
            MULTIPLY(2, LAST_A_TILE, LAST_B_TILE, b + 4 * TILE);
        if (tiles > 3)
            MULTIPLY(3, LAST_A_TILE, LAST_B_TILE, b + 6 * TILE);
    }
    _tile_stored(0, c, c_bytes);
    if (tiles > 1)
        _tile_stored(1, c + TILE, c_bytes);
    if (tiles > 2)
        _tile_stored(2, c + 2 * TILE, c_bytes);
    if (tiles > 3)
        _tile_stored(3, c + 3 * TILE, c_bytes);
}

/* Columns [0, n_whole) of up to 16 rows. */
static void product_rows(const pkm_block_product *p, int64_t i, int64_t n_whole)
{
    int64_t j = 0;

    for (; j + GROUP * TILE <= n_whole; j += GROUP * TILE)
        product_group(p, i, j, GROUP);
    if (n_whole - j == 3 * TILE)
        product_group(p, i, j, 3);
    else if (n_whole - j == 2 * TILE)
        product_group(p, i, j, 2);
    else if (n_whole - j == TILE)
        product_group(p, i, j, 1);
}

void pkm_block_product_bf16_amx(const pkm_block_product *product)
{
    const pkm_block_product *p = product;
    int64_t n_whole = p->n - p->n % TILE;

    if (n_whole > 0 && p->m > 0) {
        configure(pkm_min_i64(p->m, TILE), p->k % STEP);
        for (int64_t i = 0; i < p->m; i += TILE) {
            if (i > 0 && p->m - i < TILE)
                configure(p->m - i, p->k % STEP);
            product_rows(p, i, n_whole);
        }
        _tile_release();
    }
    if (n_whole < p->n) {
        pkm_block_product rest = *p;

        rest.n = p->n - n_whole;
        rest.b = (const uint16_t *)p->b + 2 * n_whole;
        rest.c = p->c + n_whole;
        pkm_block_product_bf16_avx512bf16(&rest);
    }
}
