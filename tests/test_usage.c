/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/usage.h"

#include <math.h>

#include "support/check.h"

static void check_number(double got, double want, const char *what)
{
    if (!(fabs(got - want) <= 1e-12))
        fail_msg("%s is %.17g, expected %.17g", what, got, want);
}

static pkm_usage result(const pkm_usage_counter *counter, int head)
{
    pkm_usage usage;

    check_ok(pkm_usage_result(counter, &usage, head));
    assert_int_equal(usage.head, head);
    return usage;
}

/* One head, four slots, masses 1, 0, 2, 5 of 8, reads 1, 0, 2, 1. */
static void test_by_hand(void **state)
{
    const int32_t ids[] = {3, 2, 2, 0};
    const float weights[] = {5, 1, -1, 1}; /* a raw gate may be negative: its size counts */
    pkm_usage_counter *counter = NULL;
    pkm_usage usage;

    (void)state;
    check_ok(pkm_usage_create(&counter, 1, 4));
    pkm_usage_add(counter, ids, weights, 2, 2);
    usage = result(counter, 0);
    assert_int_equal(usage.slots, 4);
    check_number(usage.used, 0.75, "used");
    check_number(usage.top1_used, 0.5, "top1_used");
    check_number(usage.kl, log(4) + 0.125 * log(0.125) + 0.25 * log(0.25) + 0.625 * log(0.625),
                 "kl");
    check_number(usage.kl_count, log(4) + 0.5 * log(0.25) + 0.5 * log(0.5), "kl_count");
    /* ascending 0 1 2 5 of 8, cumulated 0 1 3 8: mean 3/8 */
    check_number(usage.gini, 1 - 2 * 3.0 / 8, "gini");
    check_number(usage.top50, 0.25, "top50");
    check_number(usage.top90, 0.75, "top90");
    check_number(usage.top99, 0.75, "top99");
    /* few slots: all of them, sorted */
    assert_int_equal(usage.n_ranks, 4);
    for (int i = 0; i < 4; i++) {
        const double mass[] = {5.0 / 8, 2.0 / 8, 1.0 / 8, 0};

        assert_int_equal(usage.rank[i], i + 1);
        check_number(usage.mass[i], mass[i], "mass");
    }
    pkm_usage_destroy(counter);
}

/* Of many slots the ranks are spread evenly in log scale, the first and the last among them. Slot i
 * has mass i. */
static void test_distribution(void **state)
{
    enum { SLOTS = 100000 };
    pkm_usage_counter *counter = NULL;
    pkm_usage usage;
    const double sum = 0.5 * SLOTS * (SLOTS - 1.0);

    (void)state;
    check_ok(pkm_usage_create(&counter, 1, SLOTS));
    for (int32_t i = 0; i < SLOTS; i++) {
        float weight = (float)i;

        pkm_usage_add(counter, &i, &weight, 1, 1);
    }
    usage = result(counter, -1);
    assert_int_equal(usage.n_ranks, PKM_USAGE_RANKS);
    assert_int_equal(usage.rank[0], 1);
    assert_int_equal(usage.rank[PKM_USAGE_RANKS - 1], SLOTS);
    for (int i = 1; i < usage.n_ranks; i++) {
        double step = log((double)usage.rank[i] / (double)usage.rank[i - 1]);

        assert_true(usage.rank[i] > usage.rank[i - 1]);
        assert_true(usage.rank[i - 1] < 30 || fabs(step - log(SLOTS) / 63) < 0.03);
        check_number(usage.mass[i], (double)(SLOTS - usage.rank[i]) / sum, "mass");
    }
    pkm_usage_destroy(counter);
}

static void test_uniform(void **state)
{
    enum { SLOTS = 100 };
    int32_t ids[SLOTS];
    float weights[SLOTS];
    pkm_usage_counter *counter = NULL;
    pkm_usage usage;

    (void)state;
    for (int i = 0; i < SLOTS; i++) {
        ids[i] = i;
        weights[i] = 0.5f;
    }
    check_ok(pkm_usage_create(&counter, 1, SLOTS));
    pkm_usage_add(counter, ids, weights, SLOTS, 1);
    usage = result(counter, -1);
    check_number(usage.used, 1, "used");
    check_number(usage.top1_used, 1, "top1_used");
    check_number(usage.kl, 0, "kl");
    check_number(usage.kl_count, 0, "kl_count");
    check_number(usage.gini, -1.0 / SLOTS, "gini");
    check_number(usage.top50, 0.5, "top50");
    check_number(usage.top90, 0.9, "top90");
    check_number(usage.top99, 0.99, "top99");
    pkm_usage_destroy(counter);
}

static void test_single_slot(void **state)
{
    const int32_t ids[] = {7, 7, 7};
    const float weights[] = {1, 1, 1};
    pkm_usage_counter *counter = NULL;
    pkm_usage usage;

    (void)state;
    check_ok(pkm_usage_create(&counter, 1, 10));
    pkm_usage_add(counter, ids, weights, 3, 1);
    usage = result(counter, 0);
    check_number(usage.used, 0.1, "used");
    check_number(usage.kl, log(10), "kl");
    check_number(usage.gini, 1 - 2.0 / 10, "gini");
    check_number(usage.top99, 0.1, "top99");
    pkm_usage_reset(counter);
    usage = result(counter, 0);
    check_number(usage.used + usage.top1_used + usage.kl + usage.gini + usage.top99, 0, "nothing");
    pkm_usage_destroy(counter);
}

/* Two heads on two slots each: apart each sees its own, together all four. */
static void test_heads(void **state)
{
    const int32_t ids[] = {0, 1, 3, 2, 0, 1, 2, 3}; /* [2 rows, 2 heads, 2] */
    const float weights[] = {1, 0, 1, 0, 1, 0, 1, 0};
    pkm_usage_counter *counter = NULL;

    (void)state;
    check_ok(pkm_usage_create(&counter, 2, 4));
    pkm_usage_add(counter, ids, weights, 2, 2);
    check_number(result(counter, 0).used, 0.25, "used of head 0");
    check_number(result(counter, 1).used, 0.5, "used of head 1");
    check_number(result(counter, -1).used, 0.75, "used of all heads");
    check_number(result(counter, 0).kl, log(4), "kl of head 0");
    check_number(result(counter, 1).kl, log(2), "kl of head 1");
    check_number(result(counter, 0).kl_count, log(2), "kl_count of head 0");
    check_number(result(counter, -1).kl_count, 0, "kl_count of all heads");
    check_number(result(counter, 1).top1_used, 0.5, "top1_used of head 1");
    check_number(result(counter, -1).top1_used, 0.75, "top1_used of all heads");
    check_fails(pkm_usage_result(counter, &(pkm_usage){0}, 2), PKM_ERR_ARG, "head is 2", NULL);
    check_fails(pkm_usage_result(counter, &(pkm_usage){0}, -2), PKM_ERR_ARG, "head is -2", NULL);
    pkm_usage_destroy(counter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_uniform), cmocka_unit_test(test_single_slot),
        cmocka_unit_test(test_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
