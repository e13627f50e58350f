/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of a table whose dtype (f32, bf16 or int8) is known at run time, for the references. */
#ifndef PKM_KERNELS_ELEMENT_REF_H
#define PKM_KERNELS_ELEMENT_REF_H

#include "base/dtype.h"

static inline float element_load(const void *values, pkm_dtype dtype, int64_t at)
{
    if (dtype == PKM_I8)
        return (float)((const int8_t *)values)[at];
    return dtype == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)values)[at])
                             : ((const float *)values)[at];
}

static inline void element_store(void *values, pkm_dtype dtype, int64_t at, float value)
{
    if (dtype == PKM_BF16)
        ((uint16_t *)values)[at] = pkm_f32_to_bf16(value);
    else
        ((float *)values)[at] = value;
}

#endif
