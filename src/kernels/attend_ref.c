/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/attend.h"

#include <math.h>
#include <stdbool.h>

#include "base/dtype.h"
#include "kernels/element_ref.h"

/* The largest of the first n_seen scores of a row, times factor; at least `top`. */
static float new_top(const pkm_attend_softmax *b, const float *scores, int64_t n_seen, float top)
{
    for (int64_t j = 0; j < n_seen; j++)
        if (b->factor * scores[j] > top)
            top = b->factor * scores[j];
    return top;
}

static int64_t clamp(int64_t x, int64_t high)
{
    return x < 0 ? 0 : x > high ? high : x;
}

static void softmax(const pkm_attend_softmax *b, pkm_dtype dtype)
{
    for (int64_t i = 0; i < b->n_queries; i++) {
        const float *scores = b->scores + i * b->row;
        int64_t n_seen = clamp(b->seen + i, b->n_keys);
        float top = new_top(b, scores, n_seen, b->top[i]);
        double sum = 0;

        for (int64_t j = 0; j < (b->n_keys + 15) / 16 * 16; j++) {
            float p = j < n_seen ? (float)exp((double)(b->factor * scores[j]) - (double)top) : 0;

            sum += (double)p;
            if (b->mask != NULL && j < n_seen)
                p *= b->mask[i * b->row + j];
            element_store(b->p, dtype, i * b->row + j, p);
        }
        b->shrink[i] = top == b->top[i] ? 1 : (float)exp((double)b->top[i] - (double)top);
        b->sum[i] = (float)((double)b->shrink[i] * (double)b->sum[i] + sum);
        b->top[i] = top;
    }
}

void pkm_attend_softmax_f32_ref(const pkm_attend_softmax *block)
{
    softmax(block, PKM_F32);
}

void pkm_attend_softmax_bf16_ref(const pkm_attend_softmax *block)
{
    softmax(block, PKM_BF16);
}

static void slopes(const pkm_attend_slopes *b, pkm_dtype dtype)
{
    for (int64_t j = 0; j < (b->n_keys + 1) / 2 * 2; j++)
        for (int64_t i = 0; i < b->row; i++) {
            int64_t at = j * b->row + i;
            bool seen = j < b->n_keys && i < b->n_queries && j < b->seen + i;
            double mask = seen && b->mask != NULL ? (double)b->mask[at] : 1;
            double p =
                seen ? exp((double)b->factor * (double)b->scores[at] - (double)b->lse[i]) : 0;
            double ds =
                seen ? (double)b->factor * p * (mask * (double)b->d_p[at] - (double)b->delta[i])
                     : 0;

            element_store(b->p, dtype, at, (float)(p * mask));
            element_store(b->ds, dtype, at, (float)ds);
            if (dtype == PKM_BF16)
                element_store(b->pairs, dtype, (j - j % 2) * b->row + 2 * i + j % 2, (float)ds);
        }
}

void pkm_attend_slopes_f32_ref(const pkm_attend_slopes *block)
{
    slopes(block, PKM_F32);
}

void pkm_attend_slopes_bf16_ref(const pkm_attend_slopes *block)
{
    slopes(block, PKM_BF16);
}
