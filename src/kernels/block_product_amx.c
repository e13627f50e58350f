/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles of 16 rows x 64 bytes: C 16 x 16 f32, A 16 x 32 bf16, B 16 pairs x 16 columns. What does
 * not fill whole tiles is left to AVX512-BF16.
 */
#include <immintrin.h>
#include <string.h>

#include "kernels/block_product.h"

enum { TILE = 16, TILE_STEPS = 32 };

/* The layout ldtilecfg reads. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static void configure(void)
{
    tile_config config = {.palette = 1};

    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = TILE;
    }
    _tile_loadconfig(&config);
}

/* C [32, 32] at (i, j): tiles 0-3; A: 4, 5; B: 6, 7. */
static void product_four(const pkm_block_product *p, int64_t i, int64_t j)
{
    const uint16_t *a = (const uint16_t *)p->a + i * p->a_row;
    const uint16_t *b = (const uint16_t *)p->b + 2 * j;
    float *c = p->c + i * p->c_row + j, *c_low = c + TILE * p->c_row;
    size_t a_bytes = (size_t)p->a_row * 2, b_bytes = (size_t)p->b_row * 2;
    size_t c_bytes = (size_t)p->c_row * 4;

    if (p->add) {
        _tile_loadd(0, c, c_bytes);
        _tile_loadd(1, c + TILE, c_bytes);
        _tile_loadd(2, c_low, c_bytes);
        _tile_loadd(3, c_low + TILE, c_bytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t l = 0; l < p->k; l += TILE_STEPS) {
        _tile_loadd(4, a + l, a_bytes);
        _tile_loadd(6, b + l / 2 * p->b_row, b_bytes);
        _tile_loadd(7, b + l / 2 * p->b_row + 2 * TILE, b_bytes);
        _tile_loadd(5, a + TILE * p->a_row + l, a_bytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, c_bytes);
    _tile_stored(1, c + TILE, c_bytes);
    _tile_stored(2, c_low, c_bytes);
    _tile_stored(3, c_low + TILE, c_bytes);
}

void pkm_block_product_bf16_amx(const pkm_block_product *product)
{
    const pkm_block_product *p = product;
    pkm_block_product whole = *p, rest = *p;

    whole.m -= p->m % (2 * TILE);
    whole.n -= p->n % (2 * TILE);
    whole.k -= p->k % TILE_STEPS;
    if (whole.m == 0 || whole.n == 0 || whole.k == 0) {
        pkm_block_product_bf16_avx512bf16(p);
        return;
    }
    configure();
    for (int64_t i = 0; i < whole.m; i += 2 * TILE)
        for (int64_t j = 0; j < whole.n; j += 2 * TILE)
            product_four(&whole, i, j);
    _tile_release();
    if (whole.k < p->k) { /* the steps that are left, of what was computed */
        rest = whole;
        rest.a = (const uint16_t *)p->a + whole.k;
        rest.b = (const uint16_t *)p->b + whole.k / 2 * p->b_row;
        rest.k = p->k - whole.k;
        rest.add = true;
        pkm_block_product_bf16_avx512bf16(&rest);
    }
    if (whole.n < p->n) { /* the columns that are left */
        rest = *p;
        rest.m = whole.m;
        rest.n = p->n - whole.n;
        rest.b = (const uint16_t *)p->b + 2 * whole.n;
        rest.c = p->c + whole.n;
        pkm_block_product_bf16_avx512bf16(&rest);
    }
    if (whole.m < p->m) { /* the rows that are left */
        rest = *p;
        rest.m = p->m - whole.m;
        rest.a = (const uint16_t *)p->a + whole.m * p->a_row;
        rest.c = p->c + whole.m * p->c_row;
        pkm_block_product_bf16_avx512bf16(&rest);
    }
}
