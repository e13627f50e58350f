/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_neon.h"

#include "kernels/store_rows_simd.h"

void pkm_store_rows_f32_neon(const pkm_store_rows *job)
{
    store_rows_all(job, PKM_F32);
}

void pkm_store_rows_bf16_neon(const pkm_store_rows *job)
{
    store_rows_all(job, PKM_BF16);
}
