/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out[i] = 0 where the 24 upper bits of word first + i of the generator are below `threshold`, else
 * scale * in[i]; i < count. Any alignment, count >= 0, out may be in. Bits are the same in every
 * variant.
 */
#ifndef PKM_KERNELS_DROPOUT_H
#define PKM_KERNELS_DROPOUT_H

#include <stdint.h>

#include "base/rng.h"

typedef struct pkm_dropout_draws {
    const pkm_rng *rng;
    uint64_t first;     /* word of the first element */
    uint32_t threshold; /* at most 2^24 */
    float scale;
} pkm_dropout_draws;

typedef void pkm_dropout_fn(float *out, const float *in, int64_t count,
                            const pkm_dropout_draws *draws);

pkm_dropout_fn pkm_dropout_ref, pkm_dropout_avx2, pkm_dropout_avx512;
pkm_dropout_fn pkm_dropout_neon;

#endif
