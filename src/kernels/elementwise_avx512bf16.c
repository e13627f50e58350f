/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx512.h"

#include "kernels/elementwise_simd.h"

void pkm_gelu_backward_bf16_avx512bf16(void *out, const void *dy, const void *x, int64_t count)
{
    gelu_backward_all(out, dy, x, PKM_BF16, count);
}
