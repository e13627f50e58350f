/* SPDX-License-Identifier: Apache-2.0 */
/* The gate of GELU in vectors (kernels/elementwise.h); include after a vec_<isa>.h. */
#ifndef PKM_KERNELS_GELU_SIMD_H
#define PKM_KERNELS_GELU_SIMD_H

#include "kernels/exp_simd.h"

/*
 * s = 1 / (1 + exp(-2 u)). Beyond |x| = 10, s is 1 or below 1e-37: x is taken into [-10, 10], in
 * which the exponential stays finite. *square = x^2 there.
 */
static inline vec gelu_gate(vec x, vec *square)
{
    vec inside = vec_min(vec_set(10.0f), vec_max(vec_set(-10.0f), x));
    vec cubic;

    *square = vec_mul(inside, inside);
    /* -2 sqrt(2 / pi) log2(e) and that times 0.044715 */
    cubic = vec_fma(*square, vec_set(-0.102943240f), vec_set(-2.30220819f));
    return vec_reciprocal(vec_add(vec_set(1.0f), vec_exp2(vec_mul(inside, cubic))));
}

#endif
