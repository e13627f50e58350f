/* SPDX-License-Identifier: Apache-2.0 */
/* The ceiling of a model's pass: the products that its dense maps need, by the dense provider alone
 * and nothing between them. */
#ifndef PKM_BENCH_STEP_PRODUCTS_H
#define PKM_BENCH_STEP_PRODUCTS_H

#include "measure.h"
#include "params/params.h"

/* Adds a ceiling: for each map of the table (made by a planned tape) y = x W, and if `train` dx and
 * dW, of n_rows rows. */
pkm_status pkm_step_products_add(pkm_measure *measure, int *index, const pkm_params *params,
                                 int64_t n_rows, bool train);

#endif
