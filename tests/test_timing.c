/* SPDX-License-Identifier: Apache-2.0 */
/* bench/timing.c: what a figure says of a list of times, and how often a body runs. */
#include "timing.h"

#include "support/check.h"

static void test_summary(void **state)
{
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};
    pkm_bench_figure figure = {0};

    (void)state;
    pkm_bench_summarise(&figure, odd, 3);
    assert_int_equal(figure.runs, 3);
    assert_true(figure.min_s == 1 && figure.median_s == 2 && figure.max_s == 3);
    pkm_bench_summarise(&figure, even, 4);
    assert_true(figure.min_s == 1 && figure.median_s == 2.5 && figure.max_s == 4);
}

static pkm_status count(void *user)
{
    int *calls = user;

    return ++*calls < 5 ? PKM_OK : pkm_fail(PKM_ERR_STATE, "fifth call");
}

static void test_loop(void **state)
{
    pkm_bench_figure figure = {0};
    int calls = 0;

    (void)state;
    check_ok(pkm_bench_time(&figure, 3, count, &calls));
    assert_int_equal(calls, 4); /* one to warm up */
    assert_int_equal(figure.runs, 3);
    assert_true(figure.min_s <= figure.median_s && figure.median_s <= figure.max_s);
    check_fails(pkm_bench_time(&figure, 3, count, &calls), PKM_ERR_STATE, "fifth", NULL);
    check_fails(pkm_bench_time(&figure, 0, count, &calls), PKM_ERR_ARG, "runs", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_summary), cmocka_unit_test(test_loop)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
