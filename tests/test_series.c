/* SPDX-License-Identifier: Apache-2.0 */
#include "report/series.h"

#include <math.h>

#include "support/check.h"

static void add(pkm_series *series, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++)
        check_ok(pkm_series_add(series, (pkm_point){(double)i, 2 * (double)i, (double)i}));
}

static void test_short(void **state)
{
    pkm_series series = {0};
    double median;

    (void)state;
    check_ok(pkm_series_median(&series, &median));
    assert_true(isnan(median));
    add(&series, 1, 101);
    pkm_series_end(&series);
    assert_int_equal(series.count, 101);
    assert_true(series.points[100].value == 101 && series.points[100].tokens == 202);
    check_ok(pkm_series_median(&series, &median));
    assert_true(median == 51);
    pkm_series_release(&series);
}

/* However many come, few are kept: means of as many neighbours, and what is left at the end. */
static void test_long(void **state)
{
    pkm_series series = {0};

    (void)state;
    add(&series, 1, 100003);
    pkm_series_end(&series);
    assert_in_range(series.count, PKM_SERIES_POINTS / 2, PKM_SERIES_POINTS);
    assert_int_equal(series.stride, 64);
    for (size_t i = 0; i + 1 < series.count; i++) {
        double last = 64.0 * (double)(i + 1);

        assert_true(series.points[i].step == last && series.points[i].value == last - 31.5);
    }
    assert_true(series.points[series.count - 1].step == 100003);
    pkm_series_release(&series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_short), cmocka_unit_test(test_long)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
