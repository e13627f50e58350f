/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/row_step.h"

#include <math.h>
#include <string.h>

#include "kernels/bag.h"
#include "kernels/element_ref.h"

/* The upper half of bits(value) + u, u uniform in [0, 2^16): rounds up with the probability of the
 * part cut off. */
static uint16_t round_stochastic(float value, uint32_t u)
{
    uint32_t bits;

    if (!isfinite(value))
        return pkm_f32_to_bf16(value);
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + u) >> 16);
}

/* to[at] = value, at being `column` of `row`; returns whether it is finite. */
static bool store(void *to, pkm_dtype dtype, const pkm_rng *rounding, int64_t value_dim,
                  int32_t row, int64_t column, float value)
{
    int64_t at = row * value_dim + column;
    uint64_t word = (uint64_t)row * 4 * (uint64_t)((value_dim + 7) / 8);

    if (dtype == PKM_F32) {
        ((float *)to)[at] = value;
        return isfinite(value);
    }
    word = pkm_rng_u32(rounding, word + (uint64_t)column / 2);
    ((uint16_t *)to)[at] = round_stochastic(value, (uint32_t)word >> (column % 2 * 16) & 0xffffu);
    return isfinite(value);
}

static void gradient(float *restrict out, const float *restrict upstream, const pkm_row_hits *hits,
                     int64_t group, int64_t value_dim, float scale)
{
    int64_t start = hits->starts[group];

    pkm_bag_f32_ref(out, upstream, hits->sources + start, hits->weights + start, 1,
                    hits->starts[group + 1] - start, value_dim);
    for (int64_t c = 0; c < value_dim; c++)
        out[c] *= scale;
}

static float adam_delta(const pkm_row_rule *rule, float *m, float *v, float d)
{
    *m += (d - *m) * (1.0f - rule->beta1);
    *v += (d * d - *v) * (1.0f - rule->beta2);
    return rule->rate * (*m / (sqrtf(*v) + rule->epsilon));
}

static float mean_square(const float *d, int64_t value_dim)
{
    double squares = 0;

    for (int64_t c = 0; c < value_dim; c++)
        squares += (double)d[c] * (double)d[c];
    return (float)squares / (float)value_dim;
}

/* Brings the row's one number up to date and returns the rate of this row. */
static float rate_of_row(const pkm_rows *table, const pkm_row_rule *rule, int32_t row,
                         const float *d, pkm_value_optimizer optimizer, bool *finite)
{
    float *number;

    if (optimizer == PKM_VALUES_ADAGRAD) {
        number = table->moment1 + row;
        *number += mean_square(d, table->value_dim);
    } else if (optimizer == PKM_VALUES_ADAM_ROW) {
        number = table->moment2 + row;
        *number += (mean_square(d, table->value_dim) - *number) * (1.0f - rule->beta2);
    } else {
        return rule->rate;
    }
    *finite &= isfinite(*number);
    return rule->rate / (sqrtf(*number) + rule->epsilon);
}

/* The mean of gradients, which is stored rounded and returned as it is. */
static float adam_row_mean(const pkm_rows *table, const pkm_row_rule *rule, int32_t row,
                           int64_t column, float d)
{
    float m = element_load(table->mean, PKM_BF16, row * table->value_dim + column);

    m += (d - m) * (1.0f - rule->beta1);
    store(table->mean, PKM_BF16, &rule->rounding, table->value_dim, row, column, m);
    return m;
}

static bool row_step(const pkm_rows *table, const pkm_row_rule *rule,
                     const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                     int64_t last, float *restrict d, pkm_value_optimizer optimizer,
                     pkm_dtype dtype)
{
    int64_t value_dim = table->value_dim;
    bool finite = true;

    for (int64_t g = first; g < last; g++) {
        int32_t row = hits->rows[g];
        float rate;

        gradient(d, upstream, hits, g, value_dim, rule->scale);
        rate = rate_of_row(table, rule, row, d, optimizer, &finite);
        for (int64_t c = 0; c < value_dim; c++) {
            int64_t at = row * value_dim + c;
            float delta;

            if (optimizer == PKM_VALUES_ADAM)
                delta = adam_delta(rule, table->moment1 + at, table->moment2 + at, d[c]);
            else if (optimizer == PKM_VALUES_ADAM_ROW)
                delta = rate * adam_row_mean(table, rule, row, c, d[c]);
            else
                delta = rate * d[c];
            finite &= store(table->values, dtype, &rule->rounding, value_dim, row, c,
                            element_load(table->values, dtype, at) - delta);
            if (optimizer == PKM_VALUES_ADAM)
                finite &= isfinite(table->moment2[at]);
        }
    }
    return finite;
}

bool pkm_row_adam_f32_ref(const pkm_rows *table, const pkm_row_rule *rule,
                          const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                          int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM, PKM_F32);
}

bool pkm_row_adam_bf16_ref(const pkm_rows *table, const pkm_row_rule *rule,
                           const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                           int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM, PKM_BF16);
}

bool pkm_row_adagrad_f32_ref(const pkm_rows *table, const pkm_row_rule *rule,
                             const float *restrict upstream, const pkm_row_hits *hits,
                             int64_t first, int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAGRAD, PKM_F32);
}

bool pkm_row_adagrad_bf16_ref(const pkm_rows *table, const pkm_row_rule *rule,
                              const float *restrict upstream, const pkm_row_hits *hits,
                              int64_t first, int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAGRAD,
                    PKM_BF16);
}

bool pkm_row_sgd_f32_ref(const pkm_rows *table, const pkm_row_rule *rule,
                         const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                         int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_SGD, PKM_F32);
}

bool pkm_row_sgd_bf16_ref(const pkm_rows *table, const pkm_row_rule *rule,
                          const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                          int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_SGD, PKM_BF16);
}

bool pkm_row_adam_row_f32_ref(const pkm_rows *table, const pkm_row_rule *rule,
                              const float *restrict upstream, const pkm_row_hits *hits,
                              int64_t first, int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM_ROW,
                    PKM_F32);
}

bool pkm_row_adam_row_bf16_ref(const pkm_rows *table, const pkm_row_rule *rule,
                               const float *restrict upstream, const pkm_row_hits *hits,
                               int64_t first, int64_t last, float *restrict scratch)
{
    return row_step(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM_ROW,
                    PKM_BF16);
}
