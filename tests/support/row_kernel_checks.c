/* SPDX-License-Identifier: Apache-2.0 */
#include "support/kernel_checks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"

static const int64_t widths[] = {1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 600};
enum { N_WIDTHS = sizeof widths / sizeof widths[0], N_ROWS = 11, MAX_WIDTH = 600 };

/* A table of N_ROWS rows. */
static void *guarded_table(pkm_dtype dtype, int64_t width, check_input input, uint64_t seed)
{
    if (dtype == PKM_I8)
        return guarded_i8(N_ROWS * width, input, seed);
    return dtype == PKM_F32 ? (void *)guarded_f32(N_ROWS * width, input, seed)
                            : guarded_bf16(N_ROWS * width, input, seed);
}

static void check_bag(pkm_kernel_fn got, pkm_kernel_fn want, pkm_dtype dtype, const char *label)
{
    static const int64_t hits[] = {0, 1, 2, 8, 9, 33};

    for (int s = 0; s < N_WIDTHS * 6 * CHECK_INPUTS; s++) {
        check_input input = (check_input)(s % CHECK_INPUTS);
        int64_t n_rows = s % 4, n_hits = hits[s / CHECK_INPUTS % 6], n = n_rows * n_hits;
        int64_t width = widths[s / CHECK_INPUTS / 6];
        void *values = guarded_table(dtype, width, input, 1);
        float *weights = guarded_f32(n, input, 2);
        int32_t *ids = guarded_ids(n, 3, N_ROWS);
        float *a = guarded_f32(n_rows * width, CHECK_NORMAL, 4);
        float *b = guarded_f32(n_rows * width, CHECK_NORMAL, 5);

        ((pkm_bag_fn *)got)(a, values, ids, weights, n_rows, n_hits, width);
        ((pkm_bag_fn *)want)(b, values, ids, weights, n_rows, n_hits, width);
        check_floats(a, b, n_rows * width, input, n_hits, label);
        guard_free(values, (size_t)(N_ROWS * width) * pkm_dtype_bytes(dtype));
        guard_free(weights, (size_t)n * 4);
        guard_free(ids, (size_t)n * 4);
        guard_free(a, (size_t)(n_rows * width) * 4);
        guard_free(b, (size_t)(n_rows * width) * 4);
    }
}

void check_bag_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_bag(got, want, PKM_F32, label);
}

void check_bag_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_bag(got, want, PKM_BF16, label);
}

void check_bag_i8(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_bag(got, want, PKM_I8, label);
}

/* Groups of rows in no order, with 0 to 5 hits each, on N_ROWS upstream rows. */
enum { N_GROUPS = 6, N_HITS = 13 };
static const int32_t group_rows[N_GROUPS] = {7, 0, 10, 3, 4, 8};
static const int64_t group_starts[N_GROUPS + 1] = {0, 1, 4, 4, 9, 12, 13};
static const int32_t hit_sources[N_HITS] = {2, 0, 5, 1, 10, 9, 9, 3, 0, 6, 7, 8, 4};

static void check_row_dots(pkm_kernel_fn got, pkm_kernel_fn want, pkm_dtype dtype,
                           const char *label)
{
    const pkm_row_hits hits = {N_GROUPS, group_rows, group_starts, hit_sources, NULL};

    for (int s = 0; s < N_WIDTHS * CHECK_INPUTS; s++) {
        check_input input = (check_input)(s % CHECK_INPUTS);
        int64_t width = widths[s / CHECK_INPUTS], first = s % 2, last = N_GROUPS - s % 3;
        void *values = guarded_table(dtype, width, input, 1);
        float *upstream = guarded_f32(N_ROWS * width, input, 2);
        float a[N_HITS] = {0}, b[N_HITS] = {0};

        ((pkm_row_dots_fn *)got)(a, values, upstream, &hits, first, last, width);
        ((pkm_row_dots_fn *)want)(b, values, upstream, &hits, first, last, width);
        check_floats(a, b, N_HITS, input, width, label);
        guard_free(values, (size_t)(N_ROWS * width) * pkm_dtype_bytes(dtype));
        guard_free(upstream, (size_t)(N_ROWS * width) * 4);
    }
}

void check_row_dots_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_dots(got, want, PKM_F32, label);
}

void check_row_dots_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_dots(got, want, PKM_BF16, label);
}

/* Makes a number of the last row that is hit infinite: of its moments, or without any of itself. */
static void spoil_table(pkm_rows *table, pkm_value_optimizer optimizer)
{
    int32_t row = group_rows[N_GROUPS - 1];
    int64_t at = row * table->value_dim + table->value_dim - 1;

    if (optimizer == PKM_VALUES_ADAM)
        table->moment2[at] = INFINITY;
    else if (optimizer == PKM_VALUES_ADAM_ROW)
        table->moment2[row] = INFINITY;
    else if (optimizer == PKM_VALUES_ADAGRAD)
        table->moment1[row] = INFINITY;
    else if (table->dtype == PKM_F32)
        ((float *)table->values)[at] = INFINITY;
    else
        ((uint16_t *)table->values)[at] = 0x7f80;
}

/* Numbers of the two fp32 moments, as many as an optimiser reads or more. */
static int64_t count1(const pkm_rows *table, pkm_value_optimizer optimizer)
{
    return optimizer == PKM_VALUES_ADAM ? N_ROWS * table->value_dim : N_ROWS;
}

static int64_t count2(const pkm_rows *table, pkm_value_optimizer optimizer)
{
    return optimizer == PKM_VALUES_ADAM_ROW ? N_ROWS : N_ROWS * table->value_dim;
}

/* Runs one step on a fresh table, spoilt or not; the caller frees values and moments. */
static bool run_step(pkm_row_step_fn *step, pkm_rows *table, check_input input,
                     const float *upstream, const float *weights, pkm_value_optimizer optimizer,
                     bool spoilt)
{
    static float scratch[MAX_WIDTH];
    const pkm_row_hits hits = {N_GROUPS, group_rows, group_starts, hit_sources, weights};
    const pkm_row_rule rule = {
        0.5f, 0.25f, 0.9f, 0.999f, 1e-8f, {.seed = (uint64_t)1 << 40 | 5, .stream = 9, .step = 3}};

    table->values = guarded_table(table->dtype, table->value_dim, input, 1);
    table->moment1 = guarded_f32(count1(table, optimizer), input, 6);
    table->moment2 = guarded_f32(count2(table, optimizer), input, 7);
    table->mean = guarded_bf16(N_ROWS * table->value_dim, input, 8);
    for (int64_t i = 0; i < count2(table, optimizer); i++)
        table->moment2[i] = fabsf(table->moment2[i]);
    if (optimizer == PKM_VALUES_ADAGRAD)
        for (int64_t i = 0; i < N_ROWS; i++)
            table->moment1[i] = fabsf(table->moment1[i]);
    if (spoilt)
        spoil_table(table, optimizer);
    return step(table, &rule, upstream, &hits, 0, N_GROUPS, scratch);
}

static void free_table(pkm_rows *table, pkm_value_optimizer optimizer)
{
    int64_t n = N_ROWS * table->value_dim;

    guard_free(table->values, (size_t)n * pkm_dtype_bytes(table->dtype));
    guard_free(table->moment1, (size_t)count1(table, optimizer) * 4);
    guard_free(table->moment2, (size_t)count2(table, optimizer) * 4);
    guard_free(table->mean, (size_t)n * 2);
}

static void compare_tables(const pkm_rows *got, const pkm_rows *want, check_input input,
                           pkm_value_optimizer optimizer, const char *label)
{
    int64_t n = N_ROWS * want->value_dim;
    /* In exact sums of squares only up to 2^24; widths here stay below. */
    bool by_row = optimizer == PKM_VALUES_ADAGRAD || optimizer == PKM_VALUES_ADAM_ROW;
    int64_t n_terms = by_row ? want->value_dim : 5;

    check_floats(got->moment1, want->moment1, count1(want, optimizer), input, n_terms, label);
    check_floats(got->moment2, want->moment2, count2(want, optimizer), input, n_terms, label);
    if (input == CHECK_INTEGERS && memcmp(got->mean, want->mean, (size_t)n * 2) != 0)
        fail_msg("%s: width %lld: other bits in the mean", label, (long long)want->value_dim);
    if (want->dtype == PKM_F32)
        check_floats(got->values, want->values, n, input, n_terms, label);
    else if (input == CHECK_INTEGERS && memcmp(got->values, want->values, (size_t)n * 2) != 0)
        fail_msg("%s: width %lld: other bits after stochastic rounding", label,
                 (long long)want->value_dim);
}

static void check_row_step(pkm_kernel_fn got, pkm_kernel_fn want, pkm_value_optimizer optimizer,
                           pkm_dtype dtype, const char *label)
{
    for (int s = 0; s < N_WIDTHS * CHECK_INPUTS; s++) {
        check_input input = (check_input)(s % CHECK_INPUTS);
        int64_t width = widths[s / CHECK_INPUTS];
        pkm_rows a = {.dtype = dtype, .value_dim = width}, b = a;
        float *upstream = guarded_f32(N_ROWS * width, input, 2);
        float *weights = guarded_f32(N_HITS, input, 3);

        assert_true(
            run_step((pkm_row_step_fn *)got, &a, input, upstream, weights, optimizer, false));
        assert_true(
            run_step((pkm_row_step_fn *)want, &b, input, upstream, weights, optimizer, false));
        compare_tables(&a, &b, input, optimizer, label);
        free_table(&a, optimizer);

        if (run_step((pkm_row_step_fn *)got, &a, input, upstream, weights, optimizer, true))
            fail_msg("%s: width %lld: a row that is not finite is not reported", label,
                     (long long)width);
        free_table(&a, optimizer);

        /* Its only hit; the square of 1e30 is no float. */
        weights[N_HITS - 1] = 1;
        upstream[hit_sources[N_HITS - 1] * width + width - 1] = s % 2 ? NAN
                                                                : optimizer == PKM_VALUES_SGD
                                                                    ? INFINITY
                                                                    : 1e30f;
        if (run_step((pkm_row_step_fn *)got, &a, input, upstream, weights, optimizer, false))
            fail_msg("%s: width %lld: a gradient that is not finite is not reported", label,
                     (long long)width);
        free_table(&a, optimizer);
        free_table(&b, optimizer);
        guard_free(upstream, (size_t)(N_ROWS * width) * 4);
        guard_free(weights, (size_t)N_HITS * 4);
    }
}

void check_row_adam_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_ADAM, PKM_F32, label);
}

void check_row_adam_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_ADAM, PKM_BF16, label);
}

void check_row_adagrad_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_ADAGRAD, PKM_F32, label);
}

void check_row_adagrad_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_ADAGRAD, PKM_BF16, label);
}

void check_row_sgd_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_SGD, PKM_F32, label);
}

void check_row_sgd_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_SGD, PKM_BF16, label);
}

void check_row_adam_row_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_ADAM_ROW, PKM_F32, label);
}

void check_row_adam_row_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_row_step(got, want, PKM_VALUES_ADAM_ROW, PKM_BF16, label);
}
