/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/round_neon.h"
#include "kernels/vec_neon.h"

#include "kernels/dropout_simd.h"

void pkm_dropout_neon(float *out, const float *in, int64_t count, const pkm_dropout_draws *draws)
{
    dropout_all(out, in, count, draws);
}
