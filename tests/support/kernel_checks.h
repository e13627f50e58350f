/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of kernel families: a variant against its reference on sizes around the widths of vectors,
 * with arrays that end at an unmapped page. Small integers must give the same bits; normal numbers
 * must lie within the tolerance of their kind.
 */
#ifndef PKM_TESTS_KERNEL_CHECKS_H
#define PKM_TESTS_KERNEL_CHECKS_H

#include "kernels/kernels.h"
#include "support/check.h"

/* `label` names family and level in messages. */
typedef void kernel_check_fn(pkm_kernel_fn got, pkm_kernel_fn want, const char *label);

kernel_check_fn check_f32_to_bf16, check_bf16_to_f32;
kernel_check_fn check_half_scores_f32, check_half_scores_bf16, check_select, check_above;
kernel_check_fn check_bag_f32, check_bag_bf16, check_bag_i8;
kernel_check_fn check_row_dots_f32, check_row_dots_bf16;
kernel_check_fn check_row_adam_f32, check_row_adam_bf16, check_row_adagrad_f32;
kernel_check_fn check_row_adagrad_bf16, check_row_sgd_f32, check_row_sgd_bf16;
kernel_check_fn check_row_adam_row_f32, check_row_adam_row_bf16;

/* The kinds of input of a check. */
typedef enum check_input { CHECK_INTEGERS, CHECK_NORMAL, CHECK_INPUTS } check_input;

/* Guarded arrays: n values of the kind, as f32 or rounded to bf16; integers of the whole range of
 * int8, or rounded normal ones; `bytes` of guard_free. */
float *guarded_f32(int64_t n, check_input input, uint64_t seed);
uint16_t *guarded_bf16(int64_t n, check_input input, uint64_t seed);
int8_t *guarded_i8(int64_t n, check_input input, uint64_t seed);
int32_t *guarded_ids(int64_t n, uint64_t seed, int32_t below);

/* Compares n floats: bits for integers, else within the tolerance of a sum of n_terms terms (0: of
 * one operation). */
void check_floats(const float *got, const float *want, int64_t n, check_input input,
                  int64_t n_terms, const char *label);

#endif
