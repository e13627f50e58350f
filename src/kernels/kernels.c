/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

#include <pthread.h>
#include <string.h>

#define ROW(family, isa, function)                                                                 \
    {                                                                                              \
#family, offsetof(pkm_kernels, family), isa, (pkm_kernel_fn)(function)                     \
    }

static const pkm_kernel_row rows[] = {
    ROW(f32_to_bf16, PKM_ISA_REF, pkm_f32_to_bf16_ref),
    ROW(bf16_to_f32, PKM_ISA_REF, pkm_bf16_to_f32_ref),
    ROW(adamw_update, PKM_ISA_REF, pkm_adamw_update_ref),
    ROW(sum_squares, PKM_ISA_REF, pkm_sum_squares_ref),
    ROW(half_scores[PKM_F32], PKM_ISA_REF, pkm_half_scores_f32_ref),
    ROW(half_scores[PKM_BF16], PKM_ISA_REF, pkm_half_scores_bf16_ref),
    ROW(select, PKM_ISA_REF, pkm_select_ref),
    ROW(above, PKM_ISA_REF, pkm_above_ref),
    ROW(bag[PKM_F32], PKM_ISA_REF, pkm_bag_f32_ref),
    ROW(bag[PKM_BF16], PKM_ISA_REF, pkm_bag_bf16_ref),
    ROW(bag[PKM_I8], PKM_ISA_REF, pkm_bag_i8_ref),
    ROW(row_dots[PKM_F32], PKM_ISA_REF, pkm_row_dots_f32_ref),
    ROW(row_dots[PKM_BF16], PKM_ISA_REF, pkm_row_dots_bf16_ref),
    ROW(row_step[PKM_VALUES_ADAM][PKM_F32], PKM_ISA_REF, pkm_row_adam_f32_ref),
    ROW(row_step[PKM_VALUES_ADAM][PKM_BF16], PKM_ISA_REF, pkm_row_adam_bf16_ref),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_F32], PKM_ISA_REF, pkm_row_adagrad_f32_ref),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_BF16], PKM_ISA_REF, pkm_row_adagrad_bf16_ref),
    ROW(row_step[PKM_VALUES_SGD][PKM_F32], PKM_ISA_REF, pkm_row_sgd_f32_ref),
    ROW(row_step[PKM_VALUES_SGD][PKM_BF16], PKM_ISA_REF, pkm_row_sgd_bf16_ref),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_F32], PKM_ISA_REF, pkm_row_adam_row_f32_ref),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_BF16], PKM_ISA_REF, pkm_row_adam_row_bf16_ref),
    ROW(norm_moments, PKM_ISA_REF, pkm_norm_moments_ref),
    ROW(norm_forward, PKM_ISA_REF, pkm_norm_forward_ref),
    ROW(norm_backward, PKM_ISA_REF, pkm_norm_backward_ref),
    ROW(vector_add, PKM_ISA_REF, pkm_vector_add_ref),
    ROW(vector_mul, PKM_ISA_REF, pkm_vector_mul_ref),
    ROW(vector_scale, PKM_ISA_REF, pkm_vector_scale_ref),
    ROW(dropout, PKM_ISA_REF, pkm_dropout_ref),
    ROW(gelu, PKM_ISA_REF, pkm_gelu_ref),
    ROW(gelu_backward[PKM_F32], PKM_ISA_REF, pkm_gelu_backward_f32_ref),
    ROW(gelu_backward[PKM_BF16], PKM_ISA_REF, pkm_gelu_backward_bf16_ref),
    ROW(attend_softmax[PKM_F32], PKM_ISA_REF, pkm_attend_softmax_f32_ref),
    ROW(attend_softmax[PKM_BF16], PKM_ISA_REF, pkm_attend_softmax_bf16_ref),
    ROW(attend_slopes[PKM_F32], PKM_ISA_REF, pkm_attend_slopes_f32_ref),
    ROW(attend_slopes[PKM_BF16], PKM_ISA_REF, pkm_attend_slopes_bf16_ref),
    ROW(store_rows[PKM_F32], PKM_ISA_REF, pkm_store_rows_f32_ref),
    ROW(store_rows[PKM_BF16], PKM_ISA_REF, pkm_store_rows_bf16_ref),
    ROW(exp_columns[PKM_F32], PKM_ISA_REF, pkm_exp_columns_f32_ref),
    ROW(exp_columns[PKM_BF16], PKM_ISA_REF, pkm_exp_columns_bf16_ref),
    ROW(block_product[PKM_F32], PKM_ISA_REF, pkm_block_product_f32_ref),
    ROW(block_product[PKM_BF16], PKM_ISA_REF, pkm_block_product_bf16_ref),
    ROW(strip_product[PKM_F32], PKM_ISA_REF, pkm_strip_product_f32_ref),
    ROW(strip_product[PKM_BF16], PKM_ISA_REF, pkm_strip_product_bf16_ref),
    ROW(pack_strips[PKM_F32], PKM_ISA_REF, pkm_pack_strips_f32_ref),
    ROW(pack_strips[PKM_BF16], PKM_ISA_REF, pkm_pack_strips_bf16_ref),
    ROW(matvec[PKM_F32], PKM_ISA_REF, pkm_matvec_f32_ref),
    ROW(matvec[PKM_BF16], PKM_ISA_REF, pkm_matvec_bf16_ref),
    ROW(matvec[PKM_I8], PKM_ISA_REF, pkm_matvec_i8_ref),
    ROW(transpose[PKM_F32], PKM_ISA_REF, pkm_transpose_f32_ref),
    ROW(transpose[PKM_BF16], PKM_ISA_REF, pkm_transpose_bf16_ref),
    ROW(interleave, PKM_ISA_REF, pkm_interleave_ref),
    ROW(column_sums[PKM_F32], PKM_ISA_REF, pkm_column_sums_f32_ref),
    ROW(column_sums[PKM_BF16], PKM_ISA_REF, pkm_column_sums_bf16_ref),
#ifdef PKM_X86
    ROW(f32_to_bf16, PKM_ISA_AVX2, pkm_f32_to_bf16_avx2),
    ROW(f32_to_bf16, PKM_ISA_AVX512, pkm_f32_to_bf16_avx512),
    ROW(bf16_to_f32, PKM_ISA_AVX2, pkm_bf16_to_f32_avx2),
    ROW(bf16_to_f32, PKM_ISA_AVX512, pkm_bf16_to_f32_avx512),
    ROW(adamw_update, PKM_ISA_AVX2, pkm_adamw_update_avx2),
    ROW(adamw_update, PKM_ISA_AVX512, pkm_adamw_update_avx512),
    ROW(sum_squares, PKM_ISA_AVX2, pkm_sum_squares_avx2),
    ROW(sum_squares, PKM_ISA_AVX512, pkm_sum_squares_avx512),
    ROW(matvec[PKM_F32], PKM_ISA_AVX2, pkm_matvec_f32_avx2),
    ROW(matvec[PKM_F32], PKM_ISA_AVX512, pkm_matvec_f32_avx512),
    ROW(matvec[PKM_BF16], PKM_ISA_AVX2, pkm_matvec_bf16_avx2),
    ROW(matvec[PKM_BF16], PKM_ISA_AVX512, pkm_matvec_bf16_avx512),
    ROW(matvec[PKM_I8], PKM_ISA_AVX2, pkm_matvec_i8_avx2),
    ROW(matvec[PKM_I8], PKM_ISA_AVX512, pkm_matvec_i8_avx512),
    ROW(transpose[PKM_F32], PKM_ISA_AVX2, pkm_transpose_f32_avx2),
    ROW(transpose[PKM_F32], PKM_ISA_AVX512, pkm_transpose_f32_avx512),
    ROW(transpose[PKM_BF16], PKM_ISA_AVX2, pkm_transpose_bf16_avx2),
    ROW(transpose[PKM_BF16], PKM_ISA_AVX512, pkm_transpose_bf16_avx512),
    ROW(interleave, PKM_ISA_AVX2, pkm_interleave_avx2),
    ROW(interleave, PKM_ISA_AVX512, pkm_interleave_avx512),
    ROW(column_sums[PKM_F32], PKM_ISA_AVX2, pkm_column_sums_f32_avx2),
    ROW(column_sums[PKM_F32], PKM_ISA_AVX512, pkm_column_sums_f32_avx512),
    ROW(column_sums[PKM_BF16], PKM_ISA_AVX2, pkm_column_sums_bf16_avx2),
    ROW(column_sums[PKM_BF16], PKM_ISA_AVX512, pkm_column_sums_bf16_avx512),
    ROW(norm_moments, PKM_ISA_AVX2, pkm_norm_moments_avx2),
    ROW(norm_moments, PKM_ISA_AVX512, pkm_norm_moments_avx512),
    ROW(norm_forward, PKM_ISA_AVX2, pkm_norm_forward_avx2),
    ROW(norm_forward, PKM_ISA_AVX512, pkm_norm_forward_avx512),
    ROW(norm_backward, PKM_ISA_AVX2, pkm_norm_backward_avx2),
    ROW(norm_backward, PKM_ISA_AVX512, pkm_norm_backward_avx512),
    ROW(vector_add, PKM_ISA_AVX2, pkm_vector_add_avx2),
    ROW(vector_add, PKM_ISA_AVX512, pkm_vector_add_avx512),
    ROW(vector_mul, PKM_ISA_AVX2, pkm_vector_mul_avx2),
    ROW(vector_mul, PKM_ISA_AVX512, pkm_vector_mul_avx512),
    ROW(vector_scale, PKM_ISA_AVX2, pkm_vector_scale_avx2),
    ROW(vector_scale, PKM_ISA_AVX512, pkm_vector_scale_avx512),
    ROW(dropout, PKM_ISA_AVX2, pkm_dropout_avx2),
    ROW(dropout, PKM_ISA_AVX512, pkm_dropout_avx512),
    ROW(gelu, PKM_ISA_AVX2, pkm_gelu_avx2),
    ROW(gelu, PKM_ISA_AVX512, pkm_gelu_avx512),
    ROW(gelu_backward[PKM_F32], PKM_ISA_AVX2, pkm_gelu_backward_f32_avx2),
    ROW(gelu_backward[PKM_BF16], PKM_ISA_AVX2, pkm_gelu_backward_bf16_avx2),
    ROW(gelu_backward[PKM_F32], PKM_ISA_AVX512, pkm_gelu_backward_f32_avx512),
    ROW(gelu_backward[PKM_BF16], PKM_ISA_AVX512, pkm_gelu_backward_bf16_avx512),
    ROW(gelu_backward[PKM_BF16], PKM_ISA_AVX512BF16, pkm_gelu_backward_bf16_avx512bf16),
    ROW(attend_softmax[PKM_F32], PKM_ISA_AVX2, pkm_attend_softmax_f32_avx2),
    ROW(attend_softmax[PKM_F32], PKM_ISA_AVX512, pkm_attend_softmax_f32_avx512),
    ROW(attend_softmax[PKM_BF16], PKM_ISA_AVX2, pkm_attend_softmax_bf16_avx2),
    ROW(attend_softmax[PKM_BF16], PKM_ISA_AVX512, pkm_attend_softmax_bf16_avx512),
    ROW(attend_softmax[PKM_BF16], PKM_ISA_AVX512BF16, pkm_attend_softmax_bf16_avx512bf16),
    ROW(attend_slopes[PKM_F32], PKM_ISA_AVX2, pkm_attend_slopes_f32_avx2),
    ROW(attend_slopes[PKM_F32], PKM_ISA_AVX512, pkm_attend_slopes_f32_avx512),
    ROW(attend_slopes[PKM_BF16], PKM_ISA_AVX2, pkm_attend_slopes_bf16_avx2),
    ROW(attend_slopes[PKM_BF16], PKM_ISA_AVX512, pkm_attend_slopes_bf16_avx512),
    ROW(attend_slopes[PKM_BF16], PKM_ISA_AVX512BF16, pkm_attend_slopes_bf16_avx512bf16),
    ROW(store_rows[PKM_F32], PKM_ISA_AVX2, pkm_store_rows_f32_avx2),
    ROW(store_rows[PKM_F32], PKM_ISA_AVX512, pkm_store_rows_f32_avx512),
    ROW(store_rows[PKM_BF16], PKM_ISA_AVX2, pkm_store_rows_bf16_avx2),
    ROW(store_rows[PKM_BF16], PKM_ISA_AVX512, pkm_store_rows_bf16_avx512),
    ROW(store_rows[PKM_BF16], PKM_ISA_AVX512BF16, pkm_store_rows_bf16_avx512bf16),
    ROW(exp_columns[PKM_F32], PKM_ISA_AVX2, pkm_exp_columns_f32_avx2),
    ROW(exp_columns[PKM_BF16], PKM_ISA_AVX2, pkm_exp_columns_bf16_avx2),
    ROW(exp_columns[PKM_F32], PKM_ISA_AVX512, pkm_exp_columns_f32_avx512),
    ROW(exp_columns[PKM_BF16], PKM_ISA_AVX512, pkm_exp_columns_bf16_avx512),
    ROW(exp_columns[PKM_BF16], PKM_ISA_AVX512BF16, pkm_exp_columns_bf16_avx512bf16),
    ROW(block_product[PKM_F32], PKM_ISA_AVX2, pkm_block_product_f32_avx2),
    ROW(block_product[PKM_F32], PKM_ISA_AVX512, pkm_block_product_f32_avx512),
    ROW(block_product[PKM_BF16], PKM_ISA_AVX2, pkm_block_product_bf16_avx2),
    ROW(block_product[PKM_BF16], PKM_ISA_AVX512, pkm_block_product_bf16_avx512),
    ROW(block_product[PKM_BF16], PKM_ISA_AVX512BF16, pkm_block_product_bf16_avx512bf16),
    ROW(block_product[PKM_BF16], PKM_ISA_AMX, pkm_block_product_bf16_amx),
    ROW(strip_product[PKM_F32], PKM_ISA_AVX2, pkm_strip_product_f32_avx2),
    ROW(strip_product[PKM_F32], PKM_ISA_AVX512, pkm_strip_product_f32_avx512),
    ROW(strip_product[PKM_BF16], PKM_ISA_AVX2, pkm_strip_product_bf16_avx2),
    ROW(strip_product[PKM_BF16], PKM_ISA_AVX512, pkm_strip_product_bf16_avx512),
    ROW(strip_product[PKM_BF16], PKM_ISA_AVX512BF16, pkm_strip_product_bf16_avx512bf16),
    ROW(strip_product[PKM_BF16], PKM_ISA_AMX, pkm_strip_product_bf16_amx),
    ROW(pack_strips[PKM_F32], PKM_ISA_AVX2, pkm_pack_strips_f32_avx2),
    ROW(pack_strips[PKM_F32], PKM_ISA_AVX512, pkm_pack_strips_f32_avx512),
    ROW(pack_strips[PKM_BF16], PKM_ISA_AVX512, pkm_pack_strips_bf16_avx512),
    ROW(half_scores[PKM_F32], PKM_ISA_AVX2, pkm_half_scores_f32_avx2),
    ROW(half_scores[PKM_F32], PKM_ISA_AVX512, pkm_half_scores_f32_avx512),
    ROW(half_scores[PKM_BF16], PKM_ISA_AVX512BF16, pkm_half_scores_bf16_avx512bf16),
    ROW(half_scores[PKM_BF16], PKM_ISA_AMX, pkm_half_scores_bf16_amx),
    ROW(select, PKM_ISA_AVX2, pkm_select_avx2),
    ROW(select, PKM_ISA_AVX512, pkm_select_avx512),
    ROW(select, PKM_ISA_AVX512BF16, pkm_select_avx512bf16),
    ROW(above, PKM_ISA_AVX2, pkm_above_avx2),
    ROW(above, PKM_ISA_AVX512, pkm_above_avx512),
    ROW(bag[PKM_F32], PKM_ISA_AVX2, pkm_bag_f32_avx2),
    ROW(bag[PKM_F32], PKM_ISA_AVX512, pkm_bag_f32_avx512),
    ROW(bag[PKM_BF16], PKM_ISA_AVX2, pkm_bag_bf16_avx2),
    ROW(bag[PKM_BF16], PKM_ISA_AVX512, pkm_bag_bf16_avx512),
    ROW(bag[PKM_I8], PKM_ISA_AVX2, pkm_bag_i8_avx2),
    ROW(bag[PKM_I8], PKM_ISA_AVX512, pkm_bag_i8_avx512),
    ROW(row_dots[PKM_F32], PKM_ISA_AVX2, pkm_row_dots_f32_avx2),
    ROW(row_dots[PKM_F32], PKM_ISA_AVX512, pkm_row_dots_f32_avx512),
    ROW(row_dots[PKM_BF16], PKM_ISA_AVX2, pkm_row_dots_bf16_avx2),
    ROW(row_dots[PKM_BF16], PKM_ISA_AVX512, pkm_row_dots_bf16_avx512),
    ROW(row_step[PKM_VALUES_ADAM][PKM_F32], PKM_ISA_AVX2, pkm_row_adam_f32_avx2),
    ROW(row_step[PKM_VALUES_ADAM][PKM_F32], PKM_ISA_AVX512, pkm_row_adam_f32_avx512),
    ROW(row_step[PKM_VALUES_ADAM][PKM_BF16], PKM_ISA_AVX2, pkm_row_adam_bf16_avx2),
    ROW(row_step[PKM_VALUES_ADAM][PKM_BF16], PKM_ISA_AVX512, pkm_row_adam_bf16_avx512),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_F32], PKM_ISA_AVX2, pkm_row_adagrad_f32_avx2),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_F32], PKM_ISA_AVX512, pkm_row_adagrad_f32_avx512),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_BF16], PKM_ISA_AVX2, pkm_row_adagrad_bf16_avx2),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_BF16], PKM_ISA_AVX512, pkm_row_adagrad_bf16_avx512),
    ROW(row_step[PKM_VALUES_SGD][PKM_F32], PKM_ISA_AVX2, pkm_row_sgd_f32_avx2),
    ROW(row_step[PKM_VALUES_SGD][PKM_F32], PKM_ISA_AVX512, pkm_row_sgd_f32_avx512),
    ROW(row_step[PKM_VALUES_SGD][PKM_BF16], PKM_ISA_AVX2, pkm_row_sgd_bf16_avx2),
    ROW(row_step[PKM_VALUES_SGD][PKM_BF16], PKM_ISA_AVX512, pkm_row_sgd_bf16_avx512),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_F32], PKM_ISA_AVX2, pkm_row_adam_row_f32_avx2),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_F32], PKM_ISA_AVX512, pkm_row_adam_row_f32_avx512),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_BF16], PKM_ISA_AVX2, pkm_row_adam_row_bf16_avx2),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_BF16], PKM_ISA_AVX512, pkm_row_adam_row_bf16_avx512),
#endif
#ifdef PKM_ARM
    ROW(f32_to_bf16, PKM_ISA_NEON, pkm_f32_to_bf16_neon),
    ROW(bf16_to_f32, PKM_ISA_NEON, pkm_bf16_to_f32_neon),
    ROW(adamw_update, PKM_ISA_NEON, pkm_adamw_update_neon),
    ROW(sum_squares, PKM_ISA_NEON, pkm_sum_squares_neon),
    ROW(strip_product[PKM_F32], PKM_ISA_NEON, pkm_strip_product_f32_neon),
    ROW(strip_product[PKM_BF16], PKM_ISA_NEON, pkm_strip_product_bf16_neon),
    ROW(pack_strips[PKM_F32], PKM_ISA_NEON, pkm_pack_strips_f32_neon),
    ROW(matvec[PKM_F32], PKM_ISA_NEON, pkm_matvec_f32_neon),
    ROW(matvec[PKM_BF16], PKM_ISA_NEON, pkm_matvec_bf16_neon),
    ROW(matvec[PKM_I8], PKM_ISA_NEON, pkm_matvec_i8_neon),
    ROW(column_sums[PKM_F32], PKM_ISA_NEON, pkm_column_sums_f32_neon),
    ROW(column_sums[PKM_BF16], PKM_ISA_NEON, pkm_column_sums_bf16_neon),
    ROW(norm_moments, PKM_ISA_NEON, pkm_norm_moments_neon),
    ROW(norm_forward, PKM_ISA_NEON, pkm_norm_forward_neon),
    ROW(norm_backward, PKM_ISA_NEON, pkm_norm_backward_neon),
    ROW(vector_add, PKM_ISA_NEON, pkm_vector_add_neon),
    ROW(vector_mul, PKM_ISA_NEON, pkm_vector_mul_neon),
    ROW(vector_scale, PKM_ISA_NEON, pkm_vector_scale_neon),
    ROW(dropout, PKM_ISA_NEON, pkm_dropout_neon),
    ROW(gelu, PKM_ISA_NEON, pkm_gelu_neon),
    ROW(gelu_backward[PKM_F32], PKM_ISA_NEON, pkm_gelu_backward_f32_neon),
    ROW(gelu_backward[PKM_BF16], PKM_ISA_NEON, pkm_gelu_backward_bf16_neon),
    ROW(attend_softmax[PKM_F32], PKM_ISA_NEON, pkm_attend_softmax_f32_neon),
    ROW(attend_softmax[PKM_BF16], PKM_ISA_NEON, pkm_attend_softmax_bf16_neon),
    ROW(attend_slopes[PKM_F32], PKM_ISA_NEON, pkm_attend_slopes_f32_neon),
    ROW(attend_slopes[PKM_BF16], PKM_ISA_NEON, pkm_attend_slopes_bf16_neon),
    ROW(store_rows[PKM_F32], PKM_ISA_NEON, pkm_store_rows_f32_neon),
    ROW(store_rows[PKM_BF16], PKM_ISA_NEON, pkm_store_rows_bf16_neon),
    ROW(exp_columns[PKM_F32], PKM_ISA_NEON, pkm_exp_columns_f32_neon),
    ROW(exp_columns[PKM_BF16], PKM_ISA_NEON, pkm_exp_columns_bf16_neon),
    ROW(block_product[PKM_F32], PKM_ISA_NEON, pkm_block_product_f32_neon),
    ROW(block_product[PKM_BF16], PKM_ISA_NEON, pkm_block_product_bf16_neon),
    ROW(half_scores[PKM_F32], PKM_ISA_NEON, pkm_half_scores_f32_neon),
    ROW(select, PKM_ISA_NEON, pkm_select_neon),
    ROW(above, PKM_ISA_NEON, pkm_above_neon),
    ROW(bag[PKM_F32], PKM_ISA_NEON, pkm_bag_f32_neon),
    ROW(bag[PKM_BF16], PKM_ISA_NEON, pkm_bag_bf16_neon),
    ROW(bag[PKM_I8], PKM_ISA_NEON, pkm_bag_i8_neon),
    ROW(row_dots[PKM_F32], PKM_ISA_NEON, pkm_row_dots_f32_neon),
    ROW(row_dots[PKM_BF16], PKM_ISA_NEON, pkm_row_dots_bf16_neon),
    ROW(row_step[PKM_VALUES_ADAM][PKM_F32], PKM_ISA_NEON, pkm_row_adam_f32_neon),
    ROW(row_step[PKM_VALUES_ADAM][PKM_BF16], PKM_ISA_NEON, pkm_row_adam_bf16_neon),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_F32], PKM_ISA_NEON, pkm_row_adagrad_f32_neon),
    ROW(row_step[PKM_VALUES_ADAGRAD][PKM_BF16], PKM_ISA_NEON, pkm_row_adagrad_bf16_neon),
    ROW(row_step[PKM_VALUES_SGD][PKM_F32], PKM_ISA_NEON, pkm_row_sgd_f32_neon),
    ROW(row_step[PKM_VALUES_SGD][PKM_BF16], PKM_ISA_NEON, pkm_row_sgd_bf16_neon),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_F32], PKM_ISA_NEON, pkm_row_adam_row_f32_neon),
    ROW(row_step[PKM_VALUES_ADAM_ROW][PKM_BF16], PKM_ISA_NEON, pkm_row_adam_row_bf16_neon),
#endif
};

const pkm_kernel_row *pkm_kernel_rows(int *n_rows)
{
    *n_rows = (int)(sizeof rows / sizeof rows[0]);
    return rows;
}

/* Processors with AMX have vector instructions for bf16 as well, at half the rate of those for fp32
 * (121 and 243 GFLOP/s on a core of Sapphire Rapids); those without have them at twice that rate.
 */
static bool pays(const pkm_kernel_row *row)
{
#ifdef PKM_X86
    if (row->fn == (pkm_kernel_fn)pkm_half_scores_bf16_avx512bf16)
        return pkm_isa_detected() != PKM_ISA_AMX;
#endif
    (void)row;
    return true;
}

void pkm_kernels_fill(pkm_kernels *out, pkm_isa level)
{
    int n_rows;
    const pkm_kernel_row *row = pkm_kernel_rows(&n_rows);

    /* Of a family, lower levels stand first: the last row that fits is the best. */
    for (int i = 0; i < n_rows; i++)
        if (row[i].isa <= level && pays(&row[i]))
            memcpy((char *)out + row[i].field, &row[i].fn, sizeof row[i].fn);
}

static pthread_once_t chosen_once = PTHREAD_ONCE_INIT;
static pkm_kernels chosen;

static void choose(void)
{
    pkm_isa level;

    /* A misspelt PKM_ISA is reported where a user's command starts; here the safe level runs. */
    if (pkm_isa_current(&level) != PKM_OK)
        level = PKM_ISA_REF;
    pkm_kernels_fill(&chosen, level);
}

const pkm_kernels *pkm_kernels_get(void)
{
    /* Once: filling passes through the reference, which another thread must not see. */
    pthread_once(&chosen_once, choose);
    return &chosen;
}
