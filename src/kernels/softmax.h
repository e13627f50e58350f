/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pieces of a softmax over one row of `count` floats; any alignment.
 *
 *   row_max    the largest element, NaN skipped; -infinity if there is none
 *   exp_shift  out = exp(factor * x - shift), 0 below exp(-87); returns the sum of out
 *
 * out may be x; factor > 0.
 */
#ifndef PKM_KERNELS_SOFTMAX_H
#define PKM_KERNELS_SOFTMAX_H

#include <stdint.h>

typedef float pkm_row_max_fn(const float *x, int64_t count);
typedef float pkm_exp_shift_fn(float *out, const float *x, float factor, float shift,
                               int64_t count);

pkm_row_max_fn pkm_row_max_ref, pkm_row_max_avx2, pkm_row_max_avx512;
pkm_row_max_fn pkm_row_max_neon;
pkm_exp_shift_fn pkm_exp_shift_ref, pkm_exp_shift_avx2, pkm_exp_shift_avx512;
pkm_exp_shift_fn pkm_exp_shift_neon;

#endif
