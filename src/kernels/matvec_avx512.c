/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix is read at the speed of memory whatever the arithmetic, so bf16 is widened rather than
 * multiplied as such, and one variant serves every AVX-512 level with the same bits.
 */
#include <immintrin.h>

#include "kernels/matvec.h"

static __m512 load_f32(const float *from, __mmask16 lanes)
{
    return _mm512_maskz_loadu_ps(lanes, from);
}

static __m512 load_bf16(const uint16_t *from, __mmask16 lanes)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from));

    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static __mmask16 lanes_of(int64_t left)
{
    return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
}

/* sum_i x[i] w[i], two chains of additions to hide their latency. */
static float dot_f32(const float *x, const float *w, int64_t n_in)
{
    __m512 even = _mm512_setzero_ps(), odd = even;

    for (int64_t i = 0; i < n_in; i += 32) {
        __mmask16 first = lanes_of(n_in - i);
        __mmask16 second = n_in - i > 16 ? lanes_of(n_in - i - 16) : 0;

        even = _mm512_fmadd_ps(load_f32(x + i, first), load_f32(w + i, first), even);
        odd = _mm512_fmadd_ps(load_f32(x + i + 16, second), load_f32(w + i + 16, second), odd);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

static float dot_bf16(const uint16_t *x, const uint16_t *w, int64_t n_in)
{
    __m512 even = _mm512_setzero_ps(), odd = even;

    for (int64_t i = 0; i < n_in; i += 32) {
        __mmask16 first = lanes_of(n_in - i);
        __mmask16 second = n_in - i > 16 ? lanes_of(n_in - i - 16) : 0;

        even = _mm512_fmadd_ps(load_bf16(x + i, first), load_bf16(w + i, first), even);
        odd = _mm512_fmadd_ps(load_bf16(x + i + 16, second), load_bf16(w + i + 16, second), odd);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

void pkm_matvec_f32_avx512(float *restrict y, const void *restrict x, const void *restrict w,
                           int64_t n_rows, int64_t n_out, int64_t n_in)
{
    for (int64_t o = 0; o < n_out; o++)
        for (int64_t r = 0; r < n_rows; r++)
            y[r * n_out + o] =
                dot_f32((const float *)x + r * n_in, (const float *)w + o * n_in, n_in);
}

void pkm_matvec_bf16_avx512(float *restrict y, const void *restrict x, const void *restrict w,
                            int64_t n_rows, int64_t n_out, int64_t n_in)
{
    for (int64_t o = 0; o < n_out; o++)
        for (int64_t r = 0; r < n_rows; r++)
            y[r * n_out + o] =
                dot_bf16((const uint16_t *)x + r * n_in, (const uint16_t *)w + o * n_in, n_in);
}
