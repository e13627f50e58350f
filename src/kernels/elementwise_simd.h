/* SPDX-License-Identifier: Apache-2.0 */
/* The elementwise family over vectors; include after a vec_<isa>.h, once per variant. */
#include "kernels/elementwise.h"
#include "kernels/gelu_simd.h"
#include "kernels/row_simd.h"

static inline void add_all(float *out, const float *a, const float *b, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC)
        vec_store(out + i, vec_add(vec_load(a + i, count - i), vec_load(b + i, count - i)),
                  count - i);
}

static inline void mul_all(float *out, const float *a, const float *b, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC)
        vec_store(out + i, vec_mul(vec_load(a + i, count - i), vec_load(b + i, count - i)),
                  count - i);
}

static inline void scale_all(float *out, const float *a, float factor, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC)
        vec_store(out + i, vec_mul(vec_set(factor), vec_load(a + i, count - i)), count - i);
}

static inline void gelu_all(float *out, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC) {
        vec v = vec_load(x + i, count - i), square;

        vec_store(out + i, vec_mul(v, gelu_gate(v, &square)), count - i);
    }
}

PKM_INLINE void gelu_backward_all(void *out, const void *dy, const void *x, pkm_dtype dtype,
                                  int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC) {
        vec v = row_load(x, dtype, i, count - i), square;
        vec s = gelu_gate(v, &square);
        /* 2 u' = 2 sqrt(2 / pi) (1 + 3 * 0.044715 x^2) */
        vec slope = vec_fma(square, vec_set(0.214064449f), vec_set(1.59576912f));
        vec bent = vec_mul(vec_mul(v, slope), vec_mul(s, vec_sub(vec_set(1.0f), s)));
        vec dx = vec_mul(row_load(dy, dtype, i, count - i), vec_add(s, bent));

        if (dtype == PKM_BF16)
            vec_store_bf16((uint16_t *)out + i, dx, count - i);
        else
            vec_store((float *)out + i, dx, count - i);
    }
}
