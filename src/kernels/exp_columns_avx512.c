/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

#include "kernels/exp_columns_simd.h"

void pkm_exp_columns_f32_avx512(const pkm_exp_columns *block)
{
    exp_columns_all(block, block->power == NULL ? SUMS_ONLY : STORE_F32);
}

void pkm_exp_columns_bf16_avx512(const pkm_exp_columns *block)
{
    exp_columns_all(block, block->power == NULL ? SUMS_ONLY : STORE_BF16);
}
