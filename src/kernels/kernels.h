/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels: single-threaded functions over rows, chosen at run time. A family is one header
 * (src/kernels/<family>.h): the contract and the function type. Its reference is
 * <family>_ref.c, the specification; a variant for an instruction set is <family>_<isa>.c.
 *
 * Every variant is one row of the table in kernels.c, and that row drives dispatch, the tests
 * (each row against the reference) and the benchmarks. A new kernel: the header, the reference, a
 * field here, a row there.
 */
#ifndef PKM_KERNELS_KERNELS_H
#define PKM_KERNELS_KERNELS_H

#include <stddef.h>

#include "base/cpu.h"
#include "kernels/above.h"
#include "kernels/adamw_update.h"
#include "kernels/attend.h"
#include "kernels/bag.h"
#include "kernels/block_product.h"
#include "kernels/column_sums.h"
#include "kernels/convert.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/exp_columns.h"
#include "kernels/half_scores.h"
#include "kernels/interleave.h"
#include "kernels/matvec.h"
#include "kernels/norm.h"
#include "kernels/pack_strips.h"
#include "kernels/row_dots.h"
#include "kernels/row_step.h"
#include "kernels/select.h"
#include "kernels/store_rows.h"
#include "kernels/strip_product.h"
#include "kernels/sum_squares.h"
#include "kernels/transpose.h"
#include "pkm/dtype.h"

/* Rows of keys and values are f32 or bf16: index PKM_F32 or PKM_BF16. Where they are only read,
 * PKM_I8 too. */
enum { PKM_ROW_DTYPES = PKM_BF16 + 1, PKM_READ_DTYPES = PKM_I8 + 1 };

/* The kernels in use: one field per family. */
typedef struct pkm_kernels {
    pkm_f32_to_bf16_fn *f32_to_bf16;
    pkm_bf16_to_f32_fn *bf16_to_f32;
    pkm_adamw_update_fn *adamw_update;
    pkm_sum_squares_fn *sum_squares;
    pkm_half_scores_fn *half_scores[PKM_ROW_DTYPES];
    pkm_select_fn *select;
    pkm_above_fn *above;
    pkm_bag_fn *bag[PKM_READ_DTYPES];
    pkm_row_dots_fn *row_dots[PKM_ROW_DTYPES];
    pkm_row_step_fn *row_step[PKM_VALUES_ADAM_ROW + 1][PKM_ROW_DTYPES]; /* [pkm_value_optimizer] */
    pkm_norm_moments_fn *norm_moments;
    pkm_norm_forward_fn *norm_forward;
    pkm_norm_backward_fn *norm_backward;
    pkm_vector_add_fn *vector_add;
    pkm_vector_mul_fn *vector_mul;
    pkm_vector_scale_fn *vector_scale;
    pkm_dropout_fn *dropout;
    pkm_gelu_fn *gelu;
    pkm_gelu_backward_fn *gelu_backward[PKM_ROW_DTYPES];
    pkm_attend_softmax_fn *attend_softmax[PKM_ROW_DTYPES];
    pkm_attend_slopes_fn *attend_slopes[PKM_ROW_DTYPES];
    pkm_store_rows_fn *store_rows[PKM_ROW_DTYPES];
    pkm_exp_columns_fn *exp_columns[PKM_ROW_DTYPES];
    pkm_block_product_fn *block_product[PKM_ROW_DTYPES];
    pkm_strip_product_fn *strip_product[PKM_ROW_DTYPES];
    pkm_pack_strips_fn *pack_strips[PKM_ROW_DTYPES];
    pkm_matvec_fn *matvec[PKM_READ_DTYPES];
    pkm_transpose_fn *transpose[PKM_ROW_DTYPES];
    pkm_interleave_fn *interleave;
    pkm_column_sums_fn *column_sums[PKM_ROW_DTYPES];
} pkm_kernels;

typedef void (*pkm_kernel_fn)(void);

typedef struct pkm_kernel_row {
    const char *family; /* name of the field */
    size_t field;       /* its offset in pkm_kernels */
    pkm_isa isa;
    pkm_kernel_fn fn;
} pkm_kernel_row;

/* The whole table; of a family, rows of lower levels stand first. */
const pkm_kernel_row *pkm_kernel_rows(int *n_rows);

/* For each family its best variant at `level`. */
void pkm_kernels_fill(pkm_kernels *out, pkm_isa level);

/* The choice for this process: level of pkm_isa_current, made once. */
const pkm_kernels *pkm_kernels_get(void);

#endif
