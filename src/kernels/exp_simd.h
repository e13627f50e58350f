/* SPDX-License-Identifier: Apache-2.0 */
/* exp of a vector; include after a vec_<isa>.h. */
#ifndef PKM_KERNELS_EXP_SIMD_H
#define PKM_KERNELS_EXP_SIMD_H

/*
 * exp(x) = 2^n exp(r) with n = round(x / ln 2), so |r| <= ln 2 / 2, where the Taylor polynomial of
 * degree 7 is off by less than 6e-9 of the result. ln 2 is subtracted in two parts, the first with
 * few enough bits that n times it is exact. x is taken into [-87, 88] first; NaN stays NaN. Error
 * within 2 ULP.
 */
static inline vec vec_exp(vec x)
{
    vec inside = vec_min(vec_set(88.0f), vec_max(vec_set(-87.0f), x));
    vec n = vec_round(vec_mul(inside, vec_set(1.44269504f)));
    vec r = vec_fma(n, vec_set(-0.693359375f), inside);
    vec p = vec_set(1.0f / 5040);

    r = vec_fma(n, vec_set(2.12194440e-4f), r);
    p = vec_fma(p, r, vec_set(1.0f / 720));
    p = vec_fma(p, r, vec_set(1.0f / 120));
    p = vec_fma(p, r, vec_set(1.0f / 24));
    p = vec_fma(p, r, vec_set(1.0f / 6));
    p = vec_fma(p, r, vec_set(0.5f));
    p = vec_fma(p, r, vec_set(1.0f));
    p = vec_fma(p, r, vec_set(1.0f));
    return vec_times_power(p, n);
}

/*
 * 2^x = 2^n 2^r with n = round(x), r in [-1/2, 1/2], where the polynomial of degree 5 of least
 * relative error is off by 8e-8. x is taken into [-126, 127] first; NaN stays NaN. Error within
 * 2 ULP.
 */
static inline vec vec_exp2(vec x)
{
    vec inside = vec_min(vec_set(127.0f), vec_max(vec_set(-126.0f), x));
    vec n = vec_round(inside), r = vec_sub(inside, n);
    vec p = vec_set(1.32764725e-3f);

    p = vec_fma(p, r, vec_set(9.67554096e-3f));
    p = vec_fma(p, r, vec_set(5.55071309e-2f));
    p = vec_fma(p, r, vec_set(0.240221202f));
    p = vec_fma(p, r, vec_set(0.693146944f));
    p = vec_fma(p, r, vec_set(1.0f));
    return vec_times_power(p, n);
}

#endif
