/* SPDX-License-Identifier: Apache-2.0 */
/* src/infer/info.c: the report is JSON, names every kernel family and follows PKM_ISA. */
#include "pkm/info.h"

#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "kernels/kernels.h"
#include "pkm/options.h"
#include "support/check.h"

static json_t *info(void)
{
    json_t *parsed;
    char *text;

    check_ok(pkm_info_json(&text));
    check_ok(pkm_json_parse(&parsed, text, strlen(text), "info"));
    pkm_text_free(text);
    return parsed;
}

static void test_reference_level(void **state)
{
    json_t *report;
    int n_rows;
    const pkm_kernel_row *rows = pkm_kernel_rows(&n_rows);

    (void)state;
    setenv("PKM_ISA", "ref", 1);
    report = info();
    unsetenv("PKM_ISA");
    for (int i = 0; i < n_rows; i++) {
        const char *variant =
            json_string_value(json_object_get(json_object_get(report, "kernels"), rows[i].family));

        assert_non_null(variant);
        assert_string_equal(variant, "ref");
    }
    json_decref(report);
}

static void test_wrong_level(void **state)
{
    char *text = NULL;

    (void)state;
    setenv("PKM_ISA", "sse9", 1);
    check_fails(pkm_info_json(&text), PKM_ERR_ARG, "PKM_ISA", "sse9", NULL);
    unsetenv("PKM_ISA");
    assert_null(text);
}

static void test_threads(void **state)
{
    json_t *report, *threads;

    (void)state;
    check_ok(pkm_set_threads(3));
    report = info();
    threads = json_object_get(report, "threads");
    assert_int_equal(json_integer_value(json_object_get(threads, "used")), 3);
    assert_string_equal(json_string_value(json_object_get(threads, "because")), "asked for");
    assert_non_null(strstr(json_string_value(json_object_get(threads, "runtime")), "omp"));
    json_decref(report);
    check_ok(pkm_set_threads(0));
    check_fails(pkm_set_threads(-1), PKM_ERR_ARG, "threads", "-1", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_level),
        cmocka_unit_test(test_wrong_level),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
