/* SPDX-License-Identifier: Apache-2.0 */
/* Register tiles of 4 queries x 64 keys; one instruction multiplies and adds 16 pairs. */
#include "kernels/half_scores.h"

#include <immintrin.h>
#include <string.h>

static inline __m512bh broadcast_pair(const uint16_t *at)
{
    int32_t pair;

    memcpy(&pair, at, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

static inline __attribute__((always_inline)) void tile(float *scores, int64_t n_scores,
                                                       const uint16_t *queries,
                                                       int64_t query_stride, const uint16_t *panel,
                                                       int64_t width, const int rows)
{
    __m512 sum[4][4];

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++)
            sum[r][c] = _mm512_setzero_ps();
    for (int64_t d = 0; d < width; d += 2) {
        __m512bh key[4];

#pragma GCC unroll 4
        for (int c = 0; c < 4; c++)
            key[c] = (__m512bh)_mm512_load_si512(panel + d * PKM_PANEL_KEYS + 32 * c);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m512bh query = broadcast_pair(queries + r * query_stride + d);

#pragma GCC unroll 4
            for (int c = 0; c < 4; c++)
                sum[r][c] = _mm512_dpbf16_ps(sum[r][c], query, key[c]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++)
            _mm512_store_ps(scores + r * n_scores + 16 * c, sum[r][c]);
}

void pkm_half_scores_bf16_avx512bf16(float *restrict scores, const void *restrict queries,
                                     const void *restrict panels, int64_t n_queries,
                                     int64_t query_stride, int64_t n_panels, int64_t width)
{
    int64_t n_scores = n_panels * PKM_PANEL_KEYS;

    for (int64_t p = 0; p < n_panels; p++) {
        const uint16_t *panel = (const uint16_t *)panels + p * width * PKM_PANEL_KEYS;
        const uint16_t *query = queries;
        float *out = scores + p * PKM_PANEL_KEYS;
        int64_t q = 0;

        for (; q + 4 <= n_queries; q += 4)
            tile(out + q * n_scores, n_scores, query + q * query_stride, query_stride, panel, width,
                 4);
        for (; q < n_queries; q++)
            tile(out + q * n_scores, n_scores, query + q * query_stride, query_stride, panel, width,
                 1);
    }
}
