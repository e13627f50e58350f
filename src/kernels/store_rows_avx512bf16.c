/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

#include "kernels/store_rows_simd.h"

void pkm_store_rows_bf16_avx512bf16(const pkm_store_rows *job)
{
    store_rows_all(job, PKM_BF16);
}
