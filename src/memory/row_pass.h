/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row kernels spread over the threads: rows, or groups of hits, in blocks of fixed size, each
 * computed whole by one thread. Sizes and ids have been checked by the caller.
 */
#ifndef PKM_MEMORY_ROW_PASS_H
#define PKM_MEMORY_ROW_PASS_H

#include "base/error.h"
#include "kernels/row_step.h"
#include "memory/group.h"
#include "pkm/memory.h"

/* y [n_rows, value_dim] = the weighted sums of the bag's rows. */
void pkm_pass_bag(float *y, const pkm_bag *bag);

/* dots [hits] = values[row of the hit] . upstream[source of the hit], in the order of the hits. */
void pkm_pass_dots(float *dots, const void *values, pkm_dtype dtype, const float *upstream,
                   const pkm_grouping *grouping, int64_t value_dim);

/* sums [n_groups, value_dim] = gradient of each distinct row. */
void pkm_pass_sums(float *sums, const float *upstream, const pkm_grouping *grouping,
                   int64_t value_dim);

/* Floats of scratch the two passes below need with the threads in use now. */
size_t pkm_pass_scratch(int64_t value_dim);

/* Sum of squares of the gradients of all rows, over fixed blocks; partial [pkm_pass_blocks]. */
double pkm_pass_sum_squares(const float *upstream, const pkm_grouping *grouping, int64_t value_dim,
                            double *partial, float *scratch);
int64_t pkm_pass_blocks(int64_t n_groups);

/* One step of the optimiser, t from 1; PKM_ERR_ARG for t, lr or scale out of range. */
pkm_status pkm_row_rule_make(pkm_row_rule *out, const pkm_rows *rows, int64_t t, float lr,
                             float scale);
/* Updates the rows of all groups; false if a gradient was not finite. */
bool pkm_pass_step(const pkm_rows *rows, const pkm_row_rule *rule, const float *upstream,
                   const pkm_row_hits *hits, float *scratch);

#endif
