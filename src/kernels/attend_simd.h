/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of attention over vectors; include after a vec_<isa>.h, once per variant. Exponentials
 * are powers of two: log2(e) is in the factors. bf16 and masked are constants in every use.
 */
#include <math.h>
#include <stddef.h>

#include "kernels/attend.h"
#include "kernels/exp_simd.h"
#include "kernels/row_simd.h"

static const float log2_e = 1.44269504f;

/* The largest of the first n_seen scores. */
PKM_INLINE float attend_top(const float *scores, int64_t n_seen)
{
    vec top[2] = {vec_set(-INFINITY), vec_set(-INFINITY)};
    int64_t j = 0;

    for (; j + 2 * VEC <= n_seen; j += 2 * VEC) {
        top[0] = vec_max(vec_load_all(scores + j), top[0]);
        top[1] = vec_max(vec_load_all(scores + j + VEC), top[1]);
    }
    for (; j < n_seen; j += VEC)
        top[0] = vec_max(vec_load_or(scores + j, n_seen - j, top[0]), top[0]);
    return vec_top(vec_max(top[0], top[1]));
}

/* p of one query; returns the sum without mask. */
PKM_INLINE float attend_row(const pkm_attend_softmax *b, int64_t i, int64_t n_seen, float top,
                            bool bf16, bool masked)
{
    const vec factor = vec_set(b->factor * log2_e), shift = vec_set(-top * log2_e);
    const int64_t row = i * b->row;
    vec sum = vec_set(0);

    for (int64_t j = 0; j < (b->n_keys + 15) / 16 * 16; j += VEC) {
        vec p = vec_set(0);

        if (j < n_seen) {
            p = vec_exp2(vec_fma(vec_load(b->scores + row + j, n_seen - j), factor, shift));
            if (n_seen - j < VEC)
                p = vec_between(p, 0, n_seen - j);
            sum = vec_add(sum, p);
            if (masked)
                p = vec_mul(p, vec_load(b->mask + row + j, n_seen - j));
        }
        if (bf16)
            vec_store_bf16((uint16_t *)b->p + row + j, p, VEC);
        else
            vec_store((float *)b->p + row + j, p, VEC);
    }
    return vec_sum(sum);
}

PKM_INLINE void attend_softmax_all(const pkm_attend_softmax *b, bool bf16)
{
    for (int64_t i = 0; i < b->n_queries; i++) {
        int64_t n_seen = b->seen + i < b->n_keys ? b->seen + i : b->n_keys;
        float old = b->top[i], top, sum;

        n_seen = n_seen > 0 ? n_seen : 0;
        top = b->factor * attend_top(b->scores + i * b->row, n_seen);
        top = top > old ? top : old;
        sum = b->mask != NULL ? attend_row(b, i, n_seen, top, bf16, true)
                              : attend_row(b, i, n_seen, top, bf16, false);
        b->shrink[i] = top > old ? expf(old - top) : 1.0f;
        b->sum[i] = b->shrink[i] * b->sum[i] + sum;
        b->top[i] = top;
    }
}

/* What the keys of a slopes block share for one vector of queries. */
typedef struct attend_queries {
    vec shift, delta; /* -lse log2(e) */
    int64_t first;    /* of the vector */
} attend_queries;

/* *p and *ds of key j and the queries of the vector. */
PKM_INLINE void attend_slope(const pkm_attend_slopes *b, const attend_queries *q, int64_t j, vec *p,
                             vec *ds, bool masked)
{
    const int64_t at = j * b->row + q->first;
    const int64_t from = j - b->seen + 1 - q->first, to = b->n_queries - q->first;
    vec d_p = vec_load_all(b->d_p + at);

    *p = vec_exp2(vec_fma(vec_load_all(b->scores + at), vec_set(b->factor * log2_e), q->shift));
    if (masked)
        d_p = vec_mul(d_p, vec_load_all(b->mask + at));
    *ds = vec_mul(vec_mul(*p, vec_set(b->factor)), vec_sub(d_p, q->delta));
    if (masked)
        *p = vec_mul(*p, vec_load_all(b->mask + at));
    if (from > 0 || to < VEC || j >= b->n_keys) {
        *p = vec_between(*p, j < b->n_keys ? from : VEC, to);
        *ds = vec_between(*ds, j < b->n_keys ? from : VEC, to);
    }
}

PKM_INLINE void attend_slopes_rows(const pkm_attend_slopes *b, bool bf16, bool masked)
{
    for (int64_t i = 0; i < b->row; i += VEC) {
        const int64_t left = b->n_queries - i;
        const attend_queries q = {
            .shift = left > 0 ? vec_mul(vec_load(b->lse + i, left), vec_set(-log2_e)) : vec_set(0),
            .delta = left > 0 ? vec_load(b->delta + i, left) : vec_set(0),
            .first = i,
        };

        for (int64_t j = 0; j < b->n_keys; j += 2) {
            const int64_t at = j * b->row + i;
            vec p[2] = {vec_set(0), vec_set(0)}, ds[2] = {vec_set(0), vec_set(0)};

            if (j < b->seen + i + VEC - 1 && left > 0) { /* some query of the vector sees key j */
                attend_slope(b, &q, j, &p[0], &ds[0], masked);
                attend_slope(b, &q, j + 1, &p[1], &ds[1], masked);
            }
            if (bf16) {
                vec_two both = vec_round_two(ds[0], ds[1]);

                vec_store_two((uint16_t *)b->p + at, (uint16_t *)b->p + at + b->row,
                              vec_round_two(p[0], p[1]));
                vec_store_two((uint16_t *)b->ds + at, (uint16_t *)b->ds + at + b->row, both);
                vec_store_pairs(b->pairs + j * b->row + 2 * i, both);
            } else {
                vec_store((float *)b->p + at, p[0], VEC);
                vec_store((float *)b->p + at + b->row, p[1], VEC);
                vec_store((float *)b->ds + at, ds[0], VEC);
                vec_store((float *)b->ds + at + b->row, ds[1], VEC);
            }
        }
    }
}

PKM_INLINE void attend_slopes_all(const pkm_attend_slopes *b, bool bf16)
{
    if (b->mask != NULL)
        attend_slopes_rows(b, bf16, true);
    else
        attend_slopes_rows(b, bf16, false);
}
