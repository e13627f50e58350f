/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/dropout.h"

void pkm_dropout_ref(float *out, const float *in, int64_t count, const pkm_dropout_draws *draws)
{
    uint32_t words[4];

    for (int64_t i = 0; i < count; i++) {
        uint64_t index = draws->first + (uint64_t)i;

        if (i == 0 || index % 4 == 0)
            pkm_rng_block(words, draws->rng, index / 4);
        out[i] = words[index % 4] >> 8 < draws->threshold ? 0.0f : draws->scale * in[i];
    }
}
