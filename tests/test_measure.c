/* SPDX-License-Identifier: Apache-2.0 */
/* bench/measure.c: what a figure says of a list of times, the order of runs, floors. */
#include "measure.h"

#include <string.h>

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

/* A sink that keeps figures. */
typedef struct kept {
    pkm_bench_figure figure[8];
    int n;
} kept;

static void keep(const pkm_bench_figure *figure, void *user)
{
    kept *all = user;

    all->figure[all->n++] = *figure;
}

static char calls[64]; /* the letter of each body that ran */
static bool released;

static pkm_status call_c(void *user)
{
    (void)user;
    strcat(calls, "c");
    return PKM_OK;
}

static pkm_status call_w(void *user)
{
    (void)user;
    strcat(calls, "w");
    return strlen(calls) < 9 ? PKM_OK : pkm_fail(PKM_ERR_STATE, "too many calls");
}

static double told(void *user)
{
    return *(double *)user;
}

static void release(void *user)
{
    (void)user;
    released = true;
}

/* Ceilings and work take turns in going first; the round that warms up is not counted. */
static void test_order(void **state)
{
    pkm_measure *measure;

    (void)state;
    calls[0] = '\0';
    check_ok(pkm_measure_create(&measure, 3));
    check_ok(pkm_measure_add(measure, NULL,
                             &(pkm_task){.body = call_c, .ceiling = true, .release = release}));
    check_ok(pkm_measure_add(measure, NULL, &(pkm_task){.body = call_w}));
    check_ok(pkm_measure_run(measure));
    assert_string_equal(calls, "wccwwccw");
    check_fails(pkm_measure_run(measure), PKM_ERR_STATE, "too many", NULL);
    assert_false(released);
    pkm_measure_destroy(measure);
    assert_true(released);
    check_fails(pkm_measure_create(&measure, 0), PKM_ERR_ARG, "runs", NULL);
}

/* 8 bytes in 2 s and 30 flops in 3 s: 4 bytes and 20 flops take 1 s and 2 s. */
static pkm_status add_floor(pkm_measure *measure)
{
    static double two = 2, three = 3, four = 4;
    int bytes, flops, work;

    PKM_TRY(pkm_measure_add(
        measure, &bytes,
        &(pkm_task){.name = "memory", .told = told, .user = &two, .ceiling = true, .bytes = 8}));
    PKM_TRY(pkm_measure_add(
        measure, &flops,
        &(pkm_task){.name = "peak", .told = told, .user = &three, .ceiling = true, .flops = 30}));
    PKM_TRY(pkm_measure_add(
        measure, &work,
        &(pkm_task){
            .name = "work", .told = told, .user = &four, .parts = {{bytes, 4}, {flops, 20}}}));
    return pkm_measure_add(measure, NULL,
                           &(pkm_task){.name = "rest", .terms = {{work, 1}, {flops, -1}}});
}

static void test_floor(void **state)
{
    pkm_measure *measure;
    kept all = {.n = 0};

    (void)state;
    check_ok(pkm_measure_create(&measure, 2));
    check_ok(add_floor(measure));
    check_ok(pkm_measure_run(measure));
    pkm_measure_report(measure, keep, &all); /* names are the measurement's */
    assert_int_equal(all.n, 4);
    assert_true(all.figure[2].floor_s == 3 && all.figure[2].median_s == 4);
    assert_true(all.figure[2].bytes == 4 && all.figure[2].flops == 20);
    assert_string_equal(all.figure[2].ceiling, "peak");
    assert_true(all.figure[3].median_s == 1 && all.figure[3].ceiling == NULL);
    pkm_measure_destroy(measure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_summary), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_floor)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
