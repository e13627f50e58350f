/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out[2 i] = even[i], out[2 i + 1] = odd[i]        i < count
 *
 * Pairs of bf16 as the dot products of bf16 hardware want them. Any alignment, count >= 0, no
 * overlap with out; even and odd may be the same.
 */
#ifndef PKM_KERNELS_INTERLEAVE_H
#define PKM_KERNELS_INTERLEAVE_H

#include <stdint.h>

typedef void pkm_interleave_fn(uint16_t *restrict out, const uint16_t *even, const uint16_t *odd,
                               int64_t count);

pkm_interleave_fn pkm_interleave_ref, pkm_interleave_avx2, pkm_interleave_avx512;

#endif
