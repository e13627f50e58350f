/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of a stored weight (dense.h), and the whole of it in fp32, for as long as a wide product
 * packs it. */
#ifndef PKM_DENSE_DENSE_STORED_H
#define PKM_DENSE_DENSE_STORED_H

#include "base/dtype.h"
#include "dense/dense.h"

static inline float pkm_dense_stored_at(const pkm_dense_stored *stored, int64_t row, int64_t column,
                                        int64_t n_in)
{
    int64_t at = row * n_in + column;

    return stored->dtype == PKM_BF16
               ? pkm_bf16_to_f32(((const uint16_t *)stored->rows)[at])
               : stored->scales[row] * (float)((const int8_t *)stored->rows)[at];
}

/* *out [n_out, n_in], to be released with pkm_free. */
pkm_status pkm_dense_stored_expand(float **out, const pkm_dense_stored *stored, int64_t n_out,
                                   int64_t n_in);

#endif
