/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sum_i x[i]^2 in double, i < count; any alignment, count >= 0. Element i belongs to partial sum
 * i mod 8 and the partial sums are added in order, so bits are the same in every variant (squares
 * of floats are exact in double). Infinite or NaN only if an element is.
 */
#ifndef PKM_KERNELS_SUM_SQUARES_H
#define PKM_KERNELS_SUM_SQUARES_H

#include <stdint.h>

typedef double pkm_sum_squares_fn(const float *x, int64_t count);

pkm_sum_squares_fn pkm_sum_squares_ref, pkm_sum_squares_avx2, pkm_sum_squares_avx512;
pkm_sum_squares_fn pkm_sum_squares_neon;

#endif
