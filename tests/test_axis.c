/* SPDX-License-Identifier: Apache-2.0 */
#include "report/axis.h"

#include <math.h>
#include <string.h>

#include "support/check.h"

/* Ticks as they are written, separated by commas. */
static void check_ticks(pkm_axis axis, int most, const char *want)
{
    double ticks[PKM_TICKS];
    char got[256] = "", text[32];
    int n = pkm_axis_ticks(&axis, most, ticks);

    for (int i = 0; i < n; i++) {
        pkm_axis_format(&axis, ticks[i], text, sizeof text);
        strcat(strcat(got, i > 0 ? ", " : ""), text);
    }
    assert_string_equal(got, want);
}

static void test_ticks(void **state)
{
    (void)state;
    check_ticks((pkm_axis){.hi = 600}, 6, "0, 100, 200, 300, 400, 500, 600");
    check_ticks((pkm_axis){.hi = 5.1e6}, 6, "0, 1M, 2M, 3M, 4M, 5M");
    check_ticks((pkm_axis){.hi = 2500}, 6, "0, 500, 1k, 1.5k, 2k, 2.5k");
    check_ticks((pkm_axis){.lo = 3.41, .hi = 3.97}, 6, "3.5, 3.6, 3.7, 3.8, 3.9");
    check_ticks((pkm_axis){.hi = 1, .percent = true}, 6, "0 %, 20 %, 40 %, 60 %, 80 %, 100 %");
    check_ticks((pkm_axis){.lo = 14.8, .hi = 17.1, .log = true}, 6, "15, 15.5, 16, 16.5, 17");
    check_ticks((pkm_axis){.lo = 36, .hi = 520, .log = true}, 6, "50, 100, 200, 500");
    check_ticks((pkm_axis){.lo = 1, .hi = 1048576, .log = true}, 6, "1, 100, 10k, 1M");
    check_ticks((pkm_axis){.lo = 3e-8, .hi = 5e-3, .log = true}, 6, "1e-7, 1e-6, 1e-5, 1e-4, 1e-3");
    check_ticks((pkm_axis){.lo = 1e-130, .hi = 1e130, .log = true}, 4,
                "1e-130, 1e-65, 1, 1e+56G, 1e+121G");
}

static void check_inside(const pkm_axis *axis, double tick)
{
    double place = pkm_axis_place(axis, tick);

    if (!(place > -0.001 && place < 1.001))
        fail_msg("%g lies at %g of %g to %g%s", tick, place, axis->lo, axis->hi,
                 axis->log ? ", log" : "");
}

/* Nothing that can be logged makes a range of nothing, or more ticks than there is room for. */
static void test_any_range(void **state)
{
    const double values[] = {-1e30, -1, -1e-30, 0, 1e-130, 1e-30, 0.5, 1, 1 + 1e-15, 1e30, 1e130};
    enum { N = sizeof values / sizeof values[0] };
    double ticks[PKM_TICKS];

    (void)state;
    for (int i = 0; i < N; i++)
        for (int k = i; k < N; k++)
            for (int log = 0; log < 2; log++) {
                pkm_axis axis = {.lo = values[i], .hi = values[k], .log = log};
                int n;

                if (log && axis.lo <= 0)
                    continue;
                pkm_axis_pad(&axis, -INFINITY);
                assert_true(axis.lo < axis.hi);
                n = pkm_axis_ticks(&axis, 6, ticks);
                assert_in_range(n, 0, PKM_TICKS - 1);
                for (int t = 0; t < n; t++)
                    check_inside(&axis, ticks[t]);
            }
}

static void test_place(void **state)
{
    const pkm_axis log_axis = {.lo = 1, .hi = 100, .log = true};

    (void)state;
    assert_true(fabs(pkm_axis_place(&log_axis, 10) - 0.5) < 1e-12);
    assert_true(isnan(pkm_axis_place(&log_axis, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_any_range),
        cmocka_unit_test(test_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
