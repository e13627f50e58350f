/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/file.h"
#include "format/json.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
    json_t *value = NULL;

    check_ok(pkm_json_parse(&value, text, strlen(text), "t.json"));
    return value;
}

static void test_malformed_text(void **state)
{
    static const char *const cases[] = {
        "",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{'a':1}",
        "nul",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "[1] x",
        "{\"a\":1e999}",
        "[\"\xff\"]",
        "[\"\\ud800\"]",
        "[\"\\u0000\"]",
        "[\"a\nb\"]",
        "{\"a\":1,\"a\":2}",
        "{\"a\":9223372036854775808}",
        "{\"a\":{\"b\":1,\"b\":1}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *value = NULL;

        check_fails(pkm_json_parse(&value, cases[i], strlen(cases[i]), "t.json"), PKM_ERR_FORMAT,
                    "t.json", "line", NULL);
        assert_null(value);
    }
}

/* Brackets count outside strings only; 64 levels are allowed. */
static void test_depth(void **state)
{
    enum { MANY = 1000000 };
    char *deep = malloc(MANY);
    char text[300];
    json_t *value = NULL;

    (void)state;
    memset(deep, '[', MANY);
    check_fails(pkm_json_parse(&value, deep, MANY, "t.json"), PKM_ERR_FORMAT, "t.json", "64", NULL);
    snprintf(text, sizeof text, "%.65s%.65s", deep, "");
    check_fails(pkm_json_parse(&value, text, 65, "t.json"), PKM_ERR_FORMAT, "deeper", NULL);
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    check_ok(pkm_json_parse(&value, text, 128, "t.json"));
    json_decref(value);
    text[0] = '[';
    text[1] = '"';
    memset(text + 2, '[', 100);
    memcpy(text + 102, "\\\"[\"]", 6);
    check_ok(pkm_json_parse(&value, text, 107, "t.json"));
    json_decref(value);
    free(deep);
}

static void test_getters(void **state)
{
    json_t *o = parse("{\"i\":7,\"r\":2.5,\"b\":true,\"s\":\"x\",\"o\":{},\"a\":[1],\"n\":null}");
    int64_t i = 0;
    double r = 0;
    bool b = false;
    const char *s = NULL;
    const json_t *child = NULL;
    int choice = -1;

    (void)state;
    check_ok(pkm_json_int(o, "i", 0, 7, true, &i, "p"));
    assert_int_equal(i, 7);
    check_ok(pkm_json_real(o, "r", 0, 3, true, &r, "p"));
    check_ok(pkm_json_real(o, "i", 0, 7, true, &r, "p"));
    assert_true(r == 7.0);
    check_ok(pkm_json_bool(o, "b", true, &b, "p"));
    assert_true(b);
    check_ok(pkm_json_string(o, "s", true, &s, "p"));
    assert_string_equal(s, "x");
    check_ok(pkm_json_object(o, "o", true, &child, "p"));
    check_ok(pkm_json_array(o, "a", true, &child, "p"));
    check_ok(pkm_json_choice(o, "s", "w|x|y", true, &choice, "p"));
    assert_int_equal(choice, 1);
    /* Missing or null: left untouched, or an error where required. */
    i = 42;
    check_ok(pkm_json_int(o, "none", 0, 1, false, &i, "p"));
    check_ok(pkm_json_int(o, "n", 0, 1, false, &i, "p"));
    assert_int_equal(i, 42);
    check_fails(pkm_json_int(o, "n", 0, 1, true, &i, "p"), PKM_ERR_FORMAT, "p: n is missing", NULL);
    /* Types and ranges. */
    check_fails(pkm_json_int(o, "i", 8, 9, true, &i, "p"), PKM_ERR_FORMAT, "p: i is 7", "8 to 9",
                NULL);
    check_fails(pkm_json_int(o, "r", 0, 9, true, &i, "p"), PKM_ERR_FORMAT, "a real number", NULL);
    check_fails(pkm_json_int(o, "b", 0, 9, true, &i, "p"), PKM_ERR_FORMAT, "a boolean", NULL);
    check_fails(pkm_json_real(o, "r", 0, 1, true, &r, "p"), PKM_ERR_FORMAT, "p: r is 2.5", NULL);
    check_fails(pkm_json_bool(o, "i", true, &b, "p"), PKM_ERR_FORMAT, "p: i is", "true or", NULL);
    check_fails(pkm_json_string(o, "a", true, &s, "p"), PKM_ERR_FORMAT, "an array", NULL);
    check_fails(pkm_json_object(o, "a", true, &child, "p"), PKM_ERR_FORMAT, "an object", NULL);
    check_fails(pkm_json_array(o, "o", true, &child, "p"), PKM_ERR_FORMAT, "an array", NULL);
    check_fails(pkm_json_choice(o, "s", "w|xx|", true, &choice, "p"), PKM_ERR_UNSUPPORTED,
                "p: s is \"x\"", "w|xx|", NULL);
    json_decref(o);
}

static void test_save_and_load(void **state)
{
    char *dir = temp_create(), *path = NULL;
    json_t *before = parse("{\"z\":0.1,\"a\":[1,2],\"m\":\"\xc3\xa9\"}"), *after = NULL;

    (void)state;
    check_ok(pkm_path_join(&path, dir, "x.json"));
    check_ok(pkm_json_save(before, path));
    check_ok(pkm_json_load(&after, path, 1000));
    assert_true(json_equal(before, after));
    assert_string_equal(json_object_iter_key(json_object_iter(after)), "z");
    json_decref(after);
    check_fails(pkm_json_load(&after, path, 10), PKM_ERR_FORMAT, "x.json", "at most 10", NULL);
    check_fails(pkm_json_load(&after, dir, 10), PKM_ERR_IO, dir, NULL);
    json_decref(before);
    pkm_free(path);
    temp_remove(dir);
}

/* As short as 15 digits where those are enough; the same number in any case. */
static void test_reals(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.1, "[0.1]"}, {1e-5, "[1e-5]"}, {1.0 / 3, "[0.33333333333333331]"}, {4, "[4.0]"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *list = json_pack("[f]", cases[i].value), *back = NULL;
        pkm_strbuf text = {0};

        check_ok(pkm_json_append(&text, list, JSON_COMPACT));
        assert_string_equal(text.data, cases[i].text);
        check_ok(pkm_json_parse(&back, text.data, text.length, "t.json"));
        assert_true(json_real_value(json_array_get(back, 0)) == cases[i].value);
        json_decref(back);
        json_decref(list);
        pkm_strbuf_release(&text);
    }
}

static bool fail_nth(size_t bytes, void *user)
{
    int *left = user;

    (void)bytes;
    return (*left)-- == 0;
}

/* The n-th allocation fails: parsing and writing say so, and never leave a part out. */
static void test_out_of_memory(void **state)
{
    json_t *list = json_array();
    pkm_strbuf whole = {0};
    bool done = false;

    (void)state;
    for (int i = 0; i < 100; i++)
        json_array_append_new(list, json_pack("{s:s}", "a key of some length", "and its value"));
    check_ok(pkm_json_append(&whole, list, JSON_INDENT(2)));
    for (int n = 0; !done; n++) {
        json_t *parsed = NULL;
        pkm_strbuf text = {0};
        int left = n;
        pkm_status status;

        pkm_alloc_set_hook(fail_nth, &left);
        status = pkm_json_parse(&parsed, whole.data, whole.length, "p");
        if (status == PKM_OK)
            status = pkm_json_append(&text, parsed, JSON_INDENT(2));
        pkm_alloc_set_hook(NULL, NULL);
        done = left >= 0;
        if (done)
            assert_string_equal(text.data, whole.data);
        else
            check_fails(status, PKM_ERR_NOMEM, "out of memory", NULL);
        json_decref(parsed);
        pkm_strbuf_release(&text);
    }
    json_decref(list);
    pkm_strbuf_release(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_text), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_getters),        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_reals),          cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
