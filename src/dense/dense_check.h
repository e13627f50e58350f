/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of arguments that every provider of dense.h shares. */
#ifndef PKM_DENSE_DENSE_CHECK_H
#define PKM_DENSE_DENSE_CHECK_H

#include "dense/dense.h"

/* Sizes positive and their product addressable, compute dtype known. */
pkm_status pkm_dense_check_config(const pkm_dense_config *config);

/* 0 <= n_rows <= max_rows. */
pkm_status pkm_dense_check_rows(const pkm_dense_config *config, int64_t n_rows);

/* The dtype of a result: PKM_F32 or the compute dtype. */
pkm_status pkm_dense_check_result(const pkm_dense_config *config, pkm_dtype dtype);

#endif
