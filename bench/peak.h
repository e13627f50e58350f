/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ceiling of work that is bound by arithmetic: multiply-adds in registers, in as many chains as
 * hide their latency, by the instructions that the kernels of the level in use have for dot
 * products (f32: FMA; bf16: its own dot product, tiles, or FMA where there is neither).
 */
#ifndef PKM_BENCH_PEAK_H
#define PKM_BENCH_PEAK_H

#include "measure.h"
#include "pkm/dtype.h"

/* Does `steps` rounds of multiply-adds; returns their sum, so that nothing can be left out. */
typedef float pkm_peak_loop(int64_t steps);

pkm_peak_loop pkm_peak_f32_ref, pkm_peak_f32_avx2, pkm_peak_f32_avx512;
pkm_peak_loop pkm_peak_f32_neon, pkm_peak_bf16_avx512bf16, pkm_peak_bf16_amx;

/* Flops of a step: of chains of vectors of n lanes, each lane `per_lane`; of the tiles. */
enum {
    PKM_PEAK_CHAINS = 12,
    PKM_PEAK_TILES = 4,
    PKM_PEAK_TILE_FLOPS = 16 * 16 * 32 * 2 /* 16 x 32 elements by 32 x 16 */
};

/* Adds the peak of products of dtype as a ceiling; *index (may be NULL) names it. */
pkm_status pkm_peak_add(pkm_measure *measure, int *index, pkm_dtype dtype, int threads);

#endif
