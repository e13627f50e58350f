/* SPDX-License-Identifier: Apache-2.0 */
/* Four tiles of sums, as many as hide the latency of a tile product. */
#include "kernels/tiles_amx.h"
#include "peak.h"

/* The compiler pastes the numbers of tiles into the instruction: no enum. */
#define LEFT  4
#define RIGHT 5

enum { TILE_ROWS = 16, ROW_BYTES = 64 };

float pkm_peak_bf16_amx(int64_t steps)
{
    tile_config config = {.palette = 1};
    float sums[TILE_ROWS * TILE_ROWS];

    for (int t = 0; t <= RIGHT; t++) {
        config.rows[t] = TILE_ROWS;
        config.row_bytes[t] = ROW_BYTES;
    }
    tiles_configure(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(LEFT);
    _tile_zero(RIGHT);
    for (int64_t i = 0; i < steps; i++) {
        _tile_dpbf16ps(0, LEFT, RIGHT);
        _tile_dpbf16ps(1, LEFT, RIGHT);
        _tile_dpbf16ps(2, LEFT, RIGHT);
        _tile_dpbf16ps(3, LEFT, RIGHT);
    }
    _tile_stored(0, sums, ROW_BYTES);
    _tile_release();
    return sums[0];
}
