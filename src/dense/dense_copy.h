/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of rows between precisions, for products that stage their operands. */
#ifndef PKM_DENSE_DENSE_COPY_H
#define PKM_DENSE_DENSE_COPY_H

#include <stdint.h>
#include <string.h>

#include "base/dtype.h"
#include "kernels/kernels.h"

/* to[i] = from[i], i < count, each PKM_F32 or PKM_BF16. */
static inline void pkm_copy_converted(void *to, pkm_dtype to_dtype, const void *from,
                                      pkm_dtype from_dtype, int64_t count)
{
    if (to_dtype == from_dtype)
        memcpy(to, from, (size_t)count * pkm_dtype_bytes(to_dtype));
    else if (to_dtype == PKM_F32)
        pkm_kernels_get()->bf16_to_f32(to, from, count);
    else
        pkm_kernels_get()->f32_to_bf16(to, from, count);
}

#endif
