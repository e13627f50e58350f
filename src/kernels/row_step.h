/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One optimiser step on the rows of groups first <= g < last, in one pass: row and moments are
 * read once and written once. With p = values[rows[g]] and its moments,
 *
 *   gradient  d = scale * sum_i weights[i] * upstream[sources[i]]    over the hits i of group g
 *   adam      m += (d - m) * (1 - beta1);  v += (d * d - v) * (1 - beta2)
 *             p -= rate * (m / (sqrt(v) + epsilon))
 *   adam_row  m += (d - m) * (1 - beta1);  v += (mean(d * d) - v) * (1 - beta2)
 *             p -= rate / (sqrt(v) + epsilon) * m
 *   adagrad   s += mean(d * d);  p -= rate / (sqrt(s) + epsilon) * d
 *   sgd       p -= rate * d
 *
 * Adam is torch.optim.SparseAdam if rate = lr * sqrt(1 - beta2^t) / (1 - beta1^t); m and v are the
 * table's moment1 and moment2; Adagrad's s is moment1, one number per row. Adam by row keeps v in
 * moment2, one number per row, and m in `mean`, bf16; it moves p by the m that was not rounded yet.
 * All in fp32 and, given d, without fused multiply-add: every variant gives the bits of the
 * reference if the sums in d and of mean(d * d) are exact.
 *
 * bf16 rows and means round stochastically: with u uniform in [0, 2^16), p becomes the upper half
 * of bits(p) + u. For column j of row r, u is the 16-bit word r * 8 * ceil(value_dim / 8) + j of
 * the stream `rounding` (pkm_rng_block cut into halves, low half first), the same for value and
 * mean: each is right on average, which is all that is asked of them. Infinity and NaN are stored
 * as they are.
 *
 * Returns false if a value or a moment it wrote is not finite: because of d, or because it was not
 * before.
 */
#ifndef PKM_KERNELS_ROW_STEP_H
#define PKM_KERNELS_ROW_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "kernels/row_dots.h"
#include "pkm/memory.h"

typedef struct pkm_row_rule {
    float scale, rate;
    float beta1, beta2, epsilon;
    pkm_rng rounding;
} pkm_row_rule;

/* scratch [value_dim]: the gradient of one row. */
typedef bool pkm_row_step_fn(const pkm_rows *table, const pkm_row_rule *rule,
                             const float *restrict upstream, const pkm_row_hits *hits,
                             int64_t first, int64_t last, float *restrict scratch);

pkm_row_step_fn pkm_row_adam_f32_ref, pkm_row_adam_f32_avx2, pkm_row_adam_f32_avx512;
pkm_row_step_fn pkm_row_adam_f32_neon;
pkm_row_step_fn pkm_row_adam_bf16_ref, pkm_row_adam_bf16_avx2, pkm_row_adam_bf16_avx512;
pkm_row_step_fn pkm_row_adam_bf16_neon;
pkm_row_step_fn pkm_row_adam_row_f32_ref, pkm_row_adam_row_f32_avx2, pkm_row_adam_row_f32_avx512;
pkm_row_step_fn pkm_row_adam_row_bf16_ref, pkm_row_adam_row_bf16_avx2, pkm_row_adam_row_bf16_avx512;
pkm_row_step_fn pkm_row_adam_row_f32_neon, pkm_row_adam_row_bf16_neon;
pkm_row_step_fn pkm_row_adagrad_f32_ref, pkm_row_adagrad_f32_avx2, pkm_row_adagrad_f32_avx512;
pkm_row_step_fn pkm_row_adagrad_f32_neon;
pkm_row_step_fn pkm_row_adagrad_bf16_ref, pkm_row_adagrad_bf16_avx2, pkm_row_adagrad_bf16_avx512;
pkm_row_step_fn pkm_row_adagrad_bf16_neon;
pkm_row_step_fn pkm_row_sgd_f32_ref, pkm_row_sgd_f32_avx2, pkm_row_sgd_f32_avx512;
pkm_row_step_fn pkm_row_sgd_f32_neon;
pkm_row_step_fn pkm_row_sgd_bf16_ref, pkm_row_sgd_bf16_avx2, pkm_row_sgd_bf16_avx512;
pkm_row_step_fn pkm_row_sgd_bf16_neon;

#endif
