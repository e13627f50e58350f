/* SPDX-License-Identifier: Apache-2.0 */
/* Products of pairs of bf16 where the processor has none of its own; include after a vec_<isa>.h.
 */
#ifndef PKM_KERNELS_PAIRS_SIMD_H
#define PKM_KERNELS_PAIRS_SIMD_H

/* sum + a[0] b[0] + a[1] b[1] in each lane, for pairs of bf16 */
static inline vec pairs_fma(vec a, vec b, vec sum)
{
    sum = vec_fma(vec_first(a), vec_first(b), sum);
    return vec_fma(vec_second(a), vec_second(b), sum);
}

#endif
