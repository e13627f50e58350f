/* SPDX-License-Identifier: Apache-2.0 */
/* Row steps over vectors; include after a vec_<isa>.h and its round_<isa>.h. */
#include "base/size.h"
#include "kernels/bag_simd.h"
#include "kernels/row_step.h"

/* Rows and moments are asked for so many bytes of each before they are read, a line at a time
 * between the arithmetic: in one burst they would fill the queue of outstanding lines. */
enum { BYTES_AHEAD = 1 << 14 };

static inline float mean_square(const pkm_row_rule *rule, const float *gradient, int64_t value_dim)
{
    vec squares = vec_set(0);

    for (int64_t c = 0; c < value_dim; c += VEC) {
        vec d = vec_mul(vec_load(gradient + c, value_dim - c), vec_set(rule->scale));

        squares = vec_fma(d, d, squares);
    }
    return vec_sum(squares) / (float)value_dim;
}

/* Brings the row's one number up to date and returns the rate of this row; *finite becomes NaN if
 * the number is not finite. */
PKM_INLINE float rate_of_row(const pkm_rows *table, const pkm_row_rule *rule, int32_t row,
                             const float *gradient, pkm_value_optimizer optimizer, float *finite)
{
    float *number;

    if (optimizer == PKM_VALUES_ADAGRAD) {
        number = table->moment1 + row;
        *number += mean_square(rule, gradient, table->value_dim);
    } else if (optimizer == PKM_VALUES_ADAM_ROW) {
        number = table->moment2 + row;
        *number += (mean_square(rule, gradient, table->value_dim) - *number) * (1.0f - rule->beta2);
    } else {
        return rule->rate;
    }
    *finite += *number * 0.0f;
    return rule->rate / (__builtin_sqrtf(*number) + rule->epsilon);
}

/* *finite becomes NaN in lanes whose mean square is not finite; a mean that is not shows in the
 * value. */
static inline vec adam_delta(const pkm_row_rule *rule, float *m_at, float *v_at, vec d,
                             int64_t left, vec *finite)
{
    vec m = vec_load(m_at, left), v = vec_load(v_at, left);

    m = vec_add(m, vec_mul(vec_sub(d, m), vec_set(1.0f - rule->beta1)));
    v = vec_add(v, vec_mul(vec_sub(vec_mul(d, d), v), vec_set(1.0f - rule->beta2)));
    vec_store(m_at, m, left);
    vec_store(v_at, v, left);
    *finite = vec_fma(v, vec_set(0), *finite);
    return vec_mul(vec_set(rule->rate), vec_div(m, vec_add(vec_sqrt(v), vec_set(rule->epsilon))));
}

/* One row; `next` is the row to ask for. Returns NaN in a lane that wrote what is not finite. */
PKM_INLINE vec step_row(const pkm_rows *table, const pkm_row_rule *rule, const float *gradient,
                        int32_t row, int32_t next, float rate, pkm_value_optimizer optimizer,
                        pkm_dtype dtype)
{
    const int64_t value_dim = table->value_dim, at = row * value_dim, ahead = next * value_dim;
    const uint64_t block = (uint64_t)row * (uint64_t)pkm_ceil_div(value_dim, 8);
    const bool rounds = dtype == PKM_BF16 || optimizer == PKM_VALUES_ADAM_ROW;
    uint32_t words[4 * RANDOM_BLOCKS];
    vec finite = vec_set(0);

    for (int64_t c = 0; c < value_dim; c += VEC) {
        int64_t left = value_dim - c, random = c % (8 * RANDOM_BLOCKS);
        const uint16_t *u = (const uint16_t *)words + random;
        vec d = vec_mul(vec_load(gradient + c, left), vec_set(rule->scale));
        vec value = row_load(table->values, dtype, at + c, left), delta;

        if (rounds && random == 0)
            random_words(words, &rule->rounding, block + (uint64_t)c / 8);
        row_prefetch(table->values, dtype, ahead + c, c, true);
        if (optimizer == PKM_VALUES_ADAM) {
            row_prefetch(table->moment1, PKM_F32, ahead + c, c, true);
            row_prefetch(table->moment2, PKM_F32, ahead + c, c, true);
            delta = adam_delta(rule, table->moment1 + at + c, table->moment2 + at + c, d, left,
                               &finite);
        } else if (optimizer == PKM_VALUES_ADAM_ROW) {
            vec m = vec_load_bf16(table->mean + at + c, left);

            row_prefetch(table->mean, PKM_BF16, ahead + c, c, true);
            m = vec_add(m, vec_mul(vec_sub(d, m), vec_set(1.0f - rule->beta1)));
            store_rounded(table->mean + at + c, m, u, left);
            delta = vec_mul(vec_set(rate), m);
        } else {
            delta = vec_mul(vec_set(rate), d);
        }
        value = vec_sub(value, delta);
        finite = vec_fma(value, vec_set(0), finite);
        if (dtype == PKM_F32)
            vec_store((float *)table->values + at + c, value, left);
        else
            store_rounded((uint16_t *)table->values + at + c, value, u, left);
    }
    return finite;
}

PKM_INLINE bool row_step_all(const pkm_rows *table, const pkm_row_rule *rule,
                             const float *restrict upstream, const pkm_row_hits *hits,
                             int64_t first, int64_t last, float *restrict gradient,
                             pkm_value_optimizer optimizer, pkm_dtype dtype)
{
    const int64_t ahead = pkm_ceil_div(BYTES_AHEAD, table->value_dim * (int64_t)sizeof(float));
    vec finite = vec_set(0);
    float sums = 0;

    for (int64_t g = first; g < last; g++) {
        int64_t start = hits->starts[g];
        int32_t row = hits->rows[g], next = hits->rows[pkm_min_i64(g + ahead, hits->n_groups - 1)];
        float rate;

        bag_row(gradient, upstream, PKM_F32, hits->sources + start, hits->weights + start,
                hits->starts[g + 1] - start, hits->starts[last] - start, table->value_dim);
        rate = rate_of_row(table, rule, row, gradient, optimizer, &sums);
        finite =
            vec_add(finite, step_row(table, rule, gradient, row, next, rate, optimizer, dtype));
    }
    return vec_sum(finite) + sums == 0;
}
