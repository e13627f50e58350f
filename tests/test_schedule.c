/* SPDX-License-Identifier: Apache-2.0 */
#include "params/schedule.h"

#include <math.h>

#include "support/check.h"

static void assert_rate(const pkm_schedule *schedule, int64_t step, double want)
{
    double got = pkm_schedule_lr(schedule, step);

    if (!(fabs(got - want) <= 1e-12))
        fail_msg("step %lld: rate %.15g, expected %.15g", (long long)step, got, want);
}

static void test_cosine(void **state)
{
    pkm_schedule schedule = {
        .kind = PKM_SCHEDULE_COSINE, .lr = 1.0, .min_lr = 0.1, .warmup = 10, .steps = 110};

    (void)state;
    assert_rate(&schedule, 1, 0.1);
    assert_rate(&schedule, 10, 1.0);
    assert_rate(&schedule, 35, 0.1 + 0.9 * 0.5 * (1.0 + sqrt(0.5)));
    assert_rate(&schedule, 60, 0.55);
    assert_rate(&schedule, 110, 0.1);
    assert_rate(&schedule, 1000, 0.1);
}

static void test_rsqrt(void **state)
{
    pkm_schedule schedule = {.kind = PKM_SCHEDULE_RSQRT, .lr = 2.0, .min_lr = 0.5, .warmup = 100};

    (void)state;
    assert_rate(&schedule, 50, 1.0);
    assert_rate(&schedule, 100, 2.0);
    assert_rate(&schedule, 400, 1.0);
    assert_rate(&schedule, 1000000, 0.5);
    schedule.warmup = 0;
    assert_rate(&schedule, 4, 1.0);
}

static void test_constant(void **state)
{
    pkm_schedule schedule = {.kind = PKM_SCHEDULE_CONSTANT, .lr = 0.5, .warmup = 4, .steps = 9};

    (void)state;
    assert_rate(&schedule, 1, 0.125);
    assert_rate(&schedule, 4, 0.5);
    assert_rate(&schedule, 100, 0.5);
}

/* A run shorter than its warm-up never divides by zero. */
static void test_short_run(void **state)
{
    pkm_schedule schedule = {.kind = PKM_SCHEDULE_COSINE, .lr = 1.0, .warmup = 0, .steps = 0};

    (void)state;
    assert_rate(&schedule, 1, 0.0);
    schedule.warmup = 5;
    schedule.steps = 3;
    assert_rate(&schedule, 3, 0.6);
    assert_rate(&schedule, 5, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_rsqrt),
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_short_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
