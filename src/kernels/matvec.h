/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few rows times a matrix kept row by row, each of its rows read from memory once:
 *
 *   y[r, o] = sum_i x[r, i] w[o, i]        r < n_rows, o < n_out, i < n_in
 *
 * y [n_rows, n_out] and x [n_rows, n_in] f32; w [n_out, n_in] f32, bf16 or int8 (whose scales are
 * the caller's), its rows w_stride elements apart; any alignment, any size may be 0, no overlap.
 * The bits of a row do not depend on n_rows. Variants sum in fp32, the reference in double.
 */
#ifndef PKM_KERNELS_MATVEC_H
#define PKM_KERNELS_MATVEC_H

#include <stdint.h>

typedef void pkm_matvec_fn(float *restrict y, const float *restrict x, const void *restrict w,
                           int64_t w_stride, int64_t n_rows, int64_t n_out, int64_t n_in);

pkm_matvec_fn pkm_matvec_f32_ref, pkm_matvec_f32_avx2, pkm_matvec_f32_avx512;
pkm_matvec_fn pkm_matvec_f32_neon;
pkm_matvec_fn pkm_matvec_bf16_ref, pkm_matvec_bf16_avx2, pkm_matvec_bf16_avx512;
pkm_matvec_fn pkm_matvec_bf16_neon;
pkm_matvec_fn pkm_matvec_i8_ref, pkm_matvec_i8_avx2, pkm_matvec_i8_avx512;
pkm_matvec_fn pkm_matvec_i8_neon;

#endif
