/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#include "kernels/above_simd.h"

int32_t pkm_above_avx2(int32_t *restrict found, const float *restrict scores, int32_t n,
                       float bound)
{
    return above_all(found, scores, n, bound);
}
