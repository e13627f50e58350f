/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#include "kernels/store_rows_simd.h"

void pkm_store_rows_f32_avx2(const pkm_store_rows *job)
{
    store_rows_all(job, PKM_F32);
}

void pkm_store_rows_bf16_avx2(const pkm_store_rows *job)
{
    store_rows_all(job, PKM_BF16);
}
