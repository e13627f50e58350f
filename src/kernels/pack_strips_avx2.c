/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_avx2.h"

#include "kernels/pack_strips_simd.h"

void pkm_pack_strips_f32_avx2(void *restrict out, int64_t strip_step, const void *restrict in,
                              int64_t in_step, int64_t n_rows, int64_t n_columns)
{
    pack_f32(out, strip_step, in, in_step, n_rows, n_columns);
}
