/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles: 16 queries x 32 elements times 32 elements x 16 keys; a panel of 64 keys is four of them
 * side by side, and its pairs lie as the tile product wants them. What is left of the width has
 * tiles of its own, so that nothing is read past the end.
 */
#include "kernels/half_scores.h"

#include "base/size.h"
#include "kernels/tiles_amx.h"

/* Tiles 0 to 3 hold sums. The compiler pastes the numbers into the instruction: no enum. */
#define QUERY_TILE      4
#define KEY_TILE        5
#define LAST_QUERY_TILE 6
#define LAST_KEY_TILE   7

enum { TILE_ROWS = 16, STEP = 32, PANEL_ROW_BYTES = PKM_PANEL_KEYS * 4 };

static void configure(int64_t n_rows, int64_t last)
{
    tile_config config = {.palette = 1};

    for (int t = 0; t < QUERY_TILE; t++) {
        config.rows[t] = (uint8_t)n_rows;
        config.row_bytes[t] = TILE_ROWS * sizeof(float);
    }
    config.rows[QUERY_TILE] = (uint8_t)n_rows;
    config.row_bytes[QUERY_TILE] = STEP * sizeof(uint16_t);
    config.rows[KEY_TILE] = STEP / 2;
    config.row_bytes[KEY_TILE] = TILE_ROWS * sizeof(float);
    if (last > 0) {
        config.rows[LAST_QUERY_TILE] = (uint8_t)n_rows;
        config.row_bytes[LAST_QUERY_TILE] = (uint16_t)(last * 2);
        config.rows[LAST_KEY_TILE] = (uint8_t)(last / 2);
        config.row_bytes[LAST_KEY_TILE] = TILE_ROWS * sizeof(float);
    }
    tiles_configure(&config);
}

/* Scores of up to 16 queries with a panel. */
static void score_panel(float *scores, int64_t n_scores, const uint16_t *queries,
                        int64_t query_stride, const char *panel, int64_t width)
{
    const int64_t last = width % STEP;

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t d = 0; d + STEP <= width; d += STEP, panel += STEP / 2 * PANEL_ROW_BYTES) {
        _tile_loadd(QUERY_TILE, queries + d, query_stride * 2);
        _tile_loadd(KEY_TILE, panel, PANEL_ROW_BYTES);
        _tile_dpbf16ps(0, QUERY_TILE, KEY_TILE);
        _tile_loadd(KEY_TILE, panel + 64, PANEL_ROW_BYTES);
        _tile_dpbf16ps(1, QUERY_TILE, KEY_TILE);
        _tile_loadd(KEY_TILE, panel + 128, PANEL_ROW_BYTES);
        _tile_dpbf16ps(2, QUERY_TILE, KEY_TILE);
        _tile_loadd(KEY_TILE, panel + 192, PANEL_ROW_BYTES);
        _tile_dpbf16ps(3, QUERY_TILE, KEY_TILE);
    }
    if (last > 0) {
        _tile_loadd(LAST_QUERY_TILE, queries + width - last, query_stride * 2);
        _tile_loadd(LAST_KEY_TILE, panel, PANEL_ROW_BYTES);
        _tile_dpbf16ps(0, LAST_QUERY_TILE, LAST_KEY_TILE);
        _tile_loadd(LAST_KEY_TILE, panel + 64, PANEL_ROW_BYTES);
        _tile_dpbf16ps(1, LAST_QUERY_TILE, LAST_KEY_TILE);
        _tile_loadd(LAST_KEY_TILE, panel + 128, PANEL_ROW_BYTES);
        _tile_dpbf16ps(2, LAST_QUERY_TILE, LAST_KEY_TILE);
        _tile_loadd(LAST_KEY_TILE, panel + 192, PANEL_ROW_BYTES);
        _tile_dpbf16ps(3, LAST_QUERY_TILE, LAST_KEY_TILE);
    }
    _tile_stored(0, scores, n_scores * 4);
    _tile_stored(1, scores + 16, n_scores * 4);
    _tile_stored(2, scores + 32, n_scores * 4);
    _tile_stored(3, scores + 48, n_scores * 4);
}

/* Scores of blocks of `n_rows` queries, at most TILE_ROWS. A panel stays in the first-level cache
 * for all blocks. */
static void score_blocks(float *scores, const uint16_t *queries, const char *panels,
                         int64_t n_blocks, int64_t n_rows, int64_t query_stride, int64_t n_panels,
                         int64_t width)
{
    const int64_t n_scores = n_panels * PKM_PANEL_KEYS;

    configure(n_rows, width % STEP);
    for (int64_t p = 0; p < n_panels; p++)
        for (int64_t b = 0; b < n_blocks; b++)
            score_panel(scores + b * TILE_ROWS * n_scores + p * PKM_PANEL_KEYS, n_scores,
                        queries + b * TILE_ROWS * query_stride, query_stride,
                        panels + p * (width / 2 * PANEL_ROW_BYTES), width);
}

void pkm_half_scores_bf16_amx(float *restrict scores, const void *restrict queries,
                              const void *restrict panels, int64_t n_queries, int64_t query_stride,
                              int64_t n_panels, int64_t width)
{
    const int64_t whole = n_queries / TILE_ROWS * TILE_ROWS, rest = n_queries - whole;

    if (whole > 0)
        score_blocks(scores, queries, panels, whole / TILE_ROWS, TILE_ROWS, query_stride, n_panels,
                     width);
    if (rest > 0)
        score_blocks(scores + whole * n_panels * PKM_PANEL_KEYS,
                     (const uint16_t *)queries + whole * query_stride, panels, 1, rest,
                     query_stride, n_panels, width);
    _tile_release();
}
