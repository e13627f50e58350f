/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which scores lie above a bound: found[0], found[1], ... = the i < n with scores[i] > bound,
 * ascending; returns how many, or -1 if a score is NaN or infinite.
 *
 * scores are 64-byte aligned and finite up to a multiple of 64, where n ends before; up to 64
 * elements behind the last of `found` may be written. No overlap.
 */
#ifndef PKM_KERNELS_ABOVE_H
#define PKM_KERNELS_ABOVE_H

#include <stdint.h>

enum { PKM_ABOVE_STEP = 64 };

typedef int32_t pkm_above_fn(int32_t *restrict found, const float *restrict scores, int32_t n,
                             float bound);

pkm_above_fn pkm_above_ref, pkm_above_avx2, pkm_above_avx512, pkm_above_neon;

#endif
