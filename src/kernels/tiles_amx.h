/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of AMX tiles; include in files for AMX only. GCC's instructions on tiles say
 * that they write memory, but not that they read it: the compiler would drop what is stored for
 * them in local variables.
 */
#ifndef PKM_KERNELS_TILES_AMX_H
#define PKM_KERNELS_TILES_AMX_H

#include <immintrin.h>
#include <stdint.h>

/* The operand of LDTILECFG. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* What has been stored at `memory`, a local variable, is there for the tile loads that follow. */
static inline void tiles_will_read(const void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

static inline void tiles_configure(const tile_config *config)
{
    tiles_will_read(config);
    _tile_loadconfig(config);
}

#endif
