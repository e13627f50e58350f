/* SPDX-License-Identifier: Apache-2.0 */
/* The finish of a forward product where the product itself cannot do it: afterwards, block by
 * block. */
#ifndef PKM_DENSE_DENSE_FINISH_H
#define PKM_DENSE_DENSE_FINISH_H

#include "base/dtype.h"
#include "dense/dense.h"
#include "dense/dense_copy.h"
#include "kernels/kernels.h"

/* The finish of what follows the first `done` elements of y. */
static inline pkm_dense_finish pkm_finish_from(const pkm_dense_finish *finish, pkm_dtype y_dtype,
                                               int64_t done)
{
    pkm_dense_finish rest = *finish;

    if (rest.residual != NULL)
        rest.residual += done;
    if (rest.gelu != NULL)
        rest.gelu = (char *)rest.gelu + (size_t)done * pkm_dtype_bytes(y_dtype);
    return rest;
}

/* Residual and gelu of `count` elements of y that have their bias already. */
static inline void pkm_finish_values(const pkm_dense_finish *finish, void *y, pkm_dtype y_dtype,
                                     int64_t count)
{
    enum { PART = 1024 };
    size_t element = pkm_dtype_bytes(y_dtype);
    float part[PART];

    if (finish->residual != NULL)
        pkm_kernels_get()->vector_add(y, finish->residual, y, count);
    for (int64_t i = 0; finish->gelu != NULL && i < count; i += PART) {
        int64_t some = count - i < PART ? count - i : PART;

        pkm_copy_converted(part, PKM_F32, (char *)y + (size_t)i * element, y_dtype, some);
        pkm_kernels_get()->gelu(part, part, some);
        pkm_copy_converted((char *)finish->gelu + (size_t)i * element, y_dtype, part, PKM_F32,
                           some);
    }
}

#endif
