/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/interleave.h"

void pkm_interleave_ref(uint16_t *restrict out, const uint16_t *even, const uint16_t *odd,
                        int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        out[2 * i] = even[i];
        out[2 * i + 1] = odd[i];
    }
}
