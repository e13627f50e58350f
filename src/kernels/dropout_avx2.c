/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/round_avx2.h"
#include "kernels/vec_avx2.h"

#include "kernels/dropout_simd.h"

void pkm_dropout_avx2(float *out, const float *in, int64_t count, const pkm_dropout_draws *draws)
{
    dropout_all(out, in, count, draws);
}
