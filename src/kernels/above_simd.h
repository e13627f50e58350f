/* SPDX-License-Identifier: Apache-2.0 */
/* Include after a vec_<isa>.h. */
#include "kernels/above.h"
#include "kernels/row_simd.h"

/* Mostly none of a step is above: then its numbers are not written. */
PKM_INLINE int32_t above_all(int32_t *restrict found, const float *restrict scores, int32_t n,
                             float bound)
{
    vec finite = vec_set(0);
    int32_t count = 0;

    for (int32_t i = 0; i < n; i += PKM_ABOVE_STEP) {
        uint64_t below = 0, wanted = n - i < 64 ? ((uint64_t)1 << (n - i)) - 1 : ~(uint64_t)0;

#pragma GCC unroll 16
        for (int c = 0; c < PKM_ABOVE_STEP; c += VEC) {
            vec score = vec_load_all(scores + i + c);

            finite = vec_fma(score, vec_set(0), finite);
            below |= vec_reaches(vec_set(bound), score) << c;
        }
        if ((~below & wanted) != 0)
            count += vec_store_numbers(found + count, ~below & wanted, i);
    }
    return vec_sum(finite) == 0 ? count : -1;
}
