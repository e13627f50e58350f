/* SPDX-License-Identifier: Apache-2.0 */
/* src/options: every type from text, JSON, arguments and environment; ranges; origins; help. */
#include "pkm/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/check.h"

typedef struct values {
    bool verbose, echo;
    int64_t n_keys;
    double value_lr;
    int memory_mode;
    const char *out_dir;
    pkm_int_list layers;
    pkm_text_list stop;
} values;

static const pkm_option rows[] = {
    {.name = "verbose",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(values, verbose),
     .group = "Talk",
     .help = "say more"},
    {.name = "echo",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(values, echo),
     .preset = "true",
     .group = "Talk",
     .help = "leave out the prompt"},
    {.name = "n_keys",
     .type = PKM_OPTION_INT,
     .offset = offsetof(values, n_keys),
     .min = 1,
     .max = 46340,
     .preset = "256",
     .group = "Sizes",
     .unit = "keys",
     .help = "sub-keys per half"},
    {.name = "value_lr",
     .type = PKM_OPTION_REAL,
     .offset = offsetof(values, value_lr),
     .min = -1,
     .max = 10,
     .preset = "1e-3",
     .group = "Sizes",
     .help = "learning rate"},
    {.name = "memory_mode",
     .type = PKM_OPTION_CHOICE,
     .offset = offsetof(values, memory_mode),
     .preset = "add",
     .choices = "replace|add",
     .group = "Sizes",
     .help = "where it goes"},
    {.name = "out_dir",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(values, out_dir),
     .min = 1,
     .max = 8,
     .unit = "DIR",
     .group = "Sizes",
     .help = "where to"},
    {.name = "layers",
     .type = PKM_OPTION_LIST,
     .offset = offsetof(values, layers),
     .min = 0,
     .max = 63,
     .preset = "2,5",
     .group = "Sizes",
     .help = "which"},
    {.name = "stop",
     .type = PKM_OPTION_TEXTS,
     .offset = offsetof(values, stop),
     .group = "Sizes",
     .help = "text that ends it"},
};

static const pkm_option_table table = {
    .rows = rows, .count = sizeof rows / sizeof rows[0], .struct_bytes = sizeof(values)};

static pkm_option_set *create(void)
{
    pkm_option_set *set;

    check_ok(pkm_options_create(&set, &table));
    return set;
}

static const values *of(const pkm_option_set *set)
{
    return pkm_options_values(set);
}

static void test_presets(void **state)
{
    pkm_option_set *set = create();

    (void)state;
    assert_false(of(set)->verbose);
    assert_true(of(set)->echo);
    assert_int_equal(of(set)->n_keys, 256);
    assert_true(of(set)->value_lr == 1e-3);
    assert_int_equal(of(set)->memory_mode, 1);
    assert_string_equal(of(set)->out_dir, "");
    assert_int_equal(of(set)->layers.count, 2);
    assert_int_equal(of(set)->layers.value[1], 5);
    assert_int_equal(of(set)->stop.count, 0);
    assert_int_equal(pkm_options_origin(set, "n_keys"), PKM_ORIGIN_DEFAULT);
    pkm_options_destroy(set);
}

/* Text that is read, and what pkm_options_json then says of that option. */
static void test_text(void **state)
{
    static const struct {
        const char *name, *text, *json;
    } cases[] = {
        {"verbose", "true", "\"verbose\": true"},
        {"verbose", "0", "\"verbose\": false"},
        {"n_keys", "1", "\"n_keys\": 1"},
        {"n-keys", "46340", "\"n_keys\": 46340"},
        {"n_keys", "12k", "\"n_keys\": 12000"},
        {"n_keys", "+7", "\"n_keys\": 7"},
        {"value_lr", "-1", "\"value_lr\": -1.0"},
        {"value_lr", "0.1", "\"value_lr\": 0.1"},
        {"value_lr", ".5e+1", "\"value_lr\": 5.0"},
        {"memory_mode", "replace", "\"memory_mode\": \"replace\""},
        {"out_dir", "a b", "\"out_dir\": \"a b\""},
        {"out_dir", "12345678", "\"out_dir\": \"12345678\""},
        {"layers", "", "\"layers\": []"},
        {"layers", "63", "\"layers\": [\n    63\n  ]"},
        {"stop", "", "\"stop\": [\n    \"\"\n  ]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pkm_option_set *set = create();
        char *json;

        check_ok(pkm_options_set_text(set, cases[i].name, cases[i].text, PKM_ORIGIN_ARGS));
        assert_int_equal(pkm_options_origin(set, cases[i].name), PKM_ORIGIN_ARGS);
        check_ok(pkm_options_json(set, &json));
        if (strstr(json, cases[i].json) == NULL)
            fail_msg("%s '%s' gave %s", cases[i].name, cases[i].text, json);
        pkm_text_free(json);
        pkm_options_destroy(set);
    }
}

static void test_text_refused(void **state)
{
    static const struct {
        const char *name, *text, *part;
    } cases[] = {
        {"verbose", "yes", "verbose is 'yes': expected true or false"},
        {"n_keys", "", "n_keys is '': expected a whole number from 1 to 46340"},
        {"n_keys", "0", "whole number from 1"},
        {"n_keys", "46341", "n_keys is '46341'"},
        {"n_keys", "-5", "n_keys is '-5'"},
        {"n_keys", "5.5", "n_keys is '5.5'"},
        {"n_keys", "0x10", "n_keys is '0x10'"},
        {"n_keys", " 5", "n_keys is ' 5'"},
        {"n_keys", "5 ", "n_keys is '5 '"},
        {"n_keys", "5kk", "n_keys is '5kk'"},
        {"n_keys", "k", "n_keys is 'k'"},
        {"n_keys", "99999999999999999999", "whole number"},
        {"n_keys", "9999999999999G", "whole number"},
        {"value_lr", "", "value_lr is '': expected a number from -1 to 10"},
        {"value_lr", "nan", "value_lr is 'nan'"},
        {"value_lr", "inf", "value_lr is 'inf'"},
        {"value_lr", "1e999", "value_lr is '1e999'"},
        {"value_lr", "0x1", "value_lr is '0x1'"},
        {"value_lr", "1e", "value_lr is '1e'"},
        {"value_lr", "10.001", "value_lr is '10.001'"},
        {"memory_mode", "rep", "memory_mode is 'rep': expected one of replace|add"},
        {"memory_mode", "", "memory_mode is ''"},
        {"memory_mode", "replace|add", "memory_mode is 'replace|add'"},
        {"out_dir", "", "out_dir is '': expected text of 1 to 8 bytes"},
        {"out_dir", "123456789", "expected text of 1 to 8 bytes"},
        {"layers", "64", "layers is '64': expected up to 64 whole numbers from 0 to 63"},
        {"layers", "1,", "layers is '1,'"},
        {"layers", ",1", "layers is ',1'"},
        {"layers", "1,,2", "layers is '1,,2'"},
        {"layers", "1 2", "layers is '1 2'"},
        {"n_kyes", "1", "unknown option n_kyes: did you mean n_keys?"},
        {"zzzzzzzz", "1", "unknown option zzzzzzzz"},
    };
    pkm_option_set *set = create();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_fails(pkm_options_set_text(set, cases[i].name, cases[i].text, PKM_ORIGIN_ARGS),
                    PKM_ERR_ARG, cases[i].part, NULL);
    assert_int_equal(of(set)->n_keys, 256);
    pkm_options_destroy(set);
}

static void test_origins(void **state)
{
    static const char file[] = "{\"n_keys\": 5, \"value_lr\": 2, \"stop\": [\"file\"]}";
    pkm_option_set *set = create();

    (void)state;
    check_ok(pkm_options_set_text(set, "n_keys", "9", PKM_ORIGIN_ARGS));
    check_ok(pkm_options_set_text(set, "stop", "a", PKM_ORIGIN_ARGS));
    check_ok(pkm_options_set_json(set, file, strlen(file), "f.json", PKM_ORIGIN_FILE));
    check_ok(pkm_options_set_text(set, "stop", "b", PKM_ORIGIN_ARGS));
    assert_int_equal(of(set)->n_keys, 9);
    assert_true(of(set)->value_lr == 2.0);
    assert_int_equal(pkm_options_origin(set, "value_lr"), PKM_ORIGIN_FILE);
    assert_int_equal(of(set)->stop.count, 2);
    assert_string_equal(of(set)->stop.value[0], "a");
    check_ok(pkm_options_set_text(set, "n_keys", "10", PKM_ORIGIN_ARGS));
    assert_int_equal(of(set)->n_keys, 10);
    pkm_options_destroy(set);
}

static void test_texts_are_bounded(void **state)
{
    pkm_option_set *set = create();
    char *json;

    (void)state;
    for (int i = 0; i < PKM_LIST_MAX; i++)
        check_ok(pkm_options_set_text(set, "stop", i == 9 ? "\xff" : "x", PKM_ORIGIN_ARGS));
    check_fails(pkm_options_set_text(set, "stop", "x", PKM_ORIGIN_ARGS), PKM_ERR_ARG, "stop", "64",
                NULL);
    /* JSON cannot say \xff: a list of the other texts would be another value. */
    check_fails(pkm_options_json(set, &json), PKM_ERR_ARG, "stop", "UTF-8", NULL);
    pkm_options_destroy(set);
}

static void test_json_round_trip(void **state)
{
    static const char text[] =
        "{\"verbose\": true, \"echo\": false, \"n_keys\": 1e3, \"value_lr\": 0.30000000000000004, "
        "\"memory_mode\": \"replace\", \"out_dir\": \"\\u00e9\", \"layers\": [0, 63], "
        "\"stop\": [\"a\", \"\"]}";
    pkm_option_set *set = create(), *again = create();
    char *json, *json_again;

    (void)state;
    check_ok(pkm_options_set_json(set, text, strlen(text), "t", PKM_ORIGIN_FILE));
    assert_int_equal(of(set)->n_keys, 1000);
    check_ok(pkm_options_json(set, &json));
    check_ok(pkm_options_set_json(again, json, strlen(json), "t", PKM_ORIGIN_FILE));
    assert_true(of(again)->value_lr == 0.30000000000000004);
    check_ok(pkm_options_json(again, &json_again));
    assert_string_equal(json, json_again);
    pkm_text_free(json);
    pkm_text_free(json_again);
    pkm_options_destroy(set);
    pkm_options_destroy(again);
}

static void test_json_refused(void **state)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"", "c.json"},
        {"[1]", "c.json: expected a JSON object"},
        {"{\"n_keys\": 5", "c.json"},
        {"{\"n_keys\": 5, \"n_keys\": 6}", "c.json"},
        {"{\"n_kees\": 5}", "c.json: unknown option n_kees: did you mean n_keys?"},
        {"{\"n_keys\": \"5\"}", "c.json: n_keys is '\"5\"': expected a whole number from 1"},
        {"{\"n_keys\": 2.5}", "c.json: n_keys is '2.5'"},
        {"{\"n_keys\": 1e300}", "c.json: n_keys is"},
        {"{\"n_keys\": null}", "c.json: n_keys is 'null'"},
        {"{\"n_keys\": 99999}", "c.json: n_keys is '99999'"},
        {"{\"verbose\": 1}", "c.json: verbose is '1': expected true or false"},
        {"{\"value_lr\": true}", "c.json: value_lr is 'true'"},
        {"{\"memory_mode\": 0}", "c.json: memory_mode is '0': expected one of replace|add"},
        {"{\"memory_mode\": \"none\"}", "c.json: memory_mode is '\"none\"'"},
        {"{\"out_dir\": {}}", "c.json: out_dir is '{}'"},
        {"{\"out_dir\": \"123456789\"}", "expected text of 1 to 8 bytes"},
        {"{\"layers\": 2}", "c.json: layers is '2'"},
        {"{\"layers\": [1, \"2\"]}", "c.json: layers is '[1,\"2\"]'"},
        {"{\"layers\": [64]}", "c.json: layers is '[64]'"},
        {"{\"stop\": \"a\"}", "c.json: stop is '\"a\"'"},
        {"{\"stop\": [1]}", "c.json: stop is '[1]'"},
    };
    pkm_option_set *set = create();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_fails(pkm_options_set_json(set, cases[i].json, strlen(cases[i].json), "c.json",
                                         PKM_ORIGIN_FILE),
                    PKM_ERR_FORMAT, cases[i].part, NULL);
    pkm_options_destroy(set);
}

/* Arguments in one string, separated by blanks; "_" stands for an empty one. */
static pkm_status parse(pkm_option_set *set, const char *line, const char **positional, int *n)
{
    static char copy[512];
    char *argv[32];
    int argc = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    return pkm_options_parse_args(&set, 1, argc, argv, positional, n);
}

static void test_args(void **state)
{
    pkm_option_set *set = create();
    const char *positional[32];
    int n = -1;

    (void)state;
    check_ok(parse(set,
                   "one --n-keys 3 --n_keys=4 --verbose --no-echo --layers 1,2,3 - --value-lr -1 "
                   "--out-dir=-- --stop _ --stop x -- --verbose two",
                   positional, &n));
    assert_int_equal(of(set)->n_keys, 4);
    assert_true(of(set)->verbose);
    assert_false(of(set)->echo);
    assert_int_equal(of(set)->layers.count, 3);
    assert_true(of(set)->value_lr == -1.0);
    assert_string_equal(of(set)->out_dir, "--");
    assert_int_equal(of(set)->stop.count, 2);
    assert_int_equal(n, 4);
    assert_string_equal(positional[0], "one");
    assert_string_equal(positional[1], "-");
    assert_string_equal(positional[2], "--verbose");
    assert_string_equal(positional[3], "two");
    check_ok(parse(set, "--verbose=false --no-verbose --echo", positional, &n));
    assert_false(of(set)->verbose);
    assert_true(of(set)->echo);
    assert_int_equal(n, 0);
    pkm_options_destroy(set);
}

static void test_args_refused(void **state)
{
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"--n-keys", "--n-keys needs a value: expected a whole number from 1 to 46340"},
        {"--n-keys --verbose", "--n-keys needs a value"},
        {"--n-keys 0", "--n-keys is '0': expected a whole number"},
        {"--n_keys=", "--n_keys is ''"},
        {"--verbose=maybe", "--verbose is 'maybe': expected true or false"},
        {"--no-verbose=true", "unknown option --no-verbose"},
        {"--no-n-keys", "unknown option --no-n-keys"},
        {"--no-", "unknown option --no-"},
        {"--n-kesy 5", "unknown option --n-kesy: did you mean --n-keys?"},
        {"--value_rl=5", "unknown option --value_rl: did you mean --value-lr?"},
        {"--qqqqqqqqqqqq", "unknown option --qqqqqqqqqqqq"},
        {"--=5", "unknown option --"},
        {"-v", "unknown option -v"},
    };
    pkm_option_set *set = create();
    const char *positional[32];
    int n;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_fails(parse(set, cases[i].line, positional, &n), PKM_ERR_ARG, cases[i].part, NULL);
    pkm_options_destroy(set);
}

static void test_first_set_wins(void **state)
{
    pkm_option_set *sets[2] = {create(), create()};
    char *argv[] = {"--n-keys", "3"};
    const char *positional[2];
    int n;

    (void)state;
    check_ok(pkm_options_parse_args(sets, 2, 2, argv, positional, &n));
    assert_int_equal(of(sets[0])->n_keys, 3);
    assert_int_equal(of(sets[1])->n_keys, 256);
    pkm_options_destroy(sets[0]);
    pkm_options_destroy(sets[1]);
}

static void test_environment(void **state)
{
    pkm_option_set *set = create();

    (void)state;
    setenv("PKM_N_KEYS", "77", 1);
    setenv("PKM_VALUE_LR", "", 1);
    check_ok(pkm_options_set_env(set));
    assert_int_equal(of(set)->n_keys, 77);
    assert_true(of(set)->value_lr == 1e-3);
    assert_int_equal(pkm_options_origin(set, "n_keys"), PKM_ORIGIN_ENV);
    setenv("PKM_N_KEYS", "many", 1);
    check_fails(pkm_options_set_env(set), PKM_ERR_ARG, "PKM_N_KEYS is 'many'", NULL);
    unsetenv("PKM_N_KEYS");
    unsetenv("PKM_VALUE_LR");
    pkm_options_destroy(set);
}

static void collect(const char *line, void *user)
{
    size_t used = strlen(user);

    assert_true(strlen(line) <= 80);
    snprintf((char *)user + used, 4096 - used, "%s\n", line);
}

static void test_help(void **state)
{
    static char text[4096];

    (void)state;
    text[0] = '\0';
    pkm_options_help(&table, collect, text);
    assert_non_null(strstr(text, "\nTalk:\n  --verbose"));
    assert_non_null(strstr(text, "--no-echo "));
    assert_non_null(strstr(text, "--n-keys N  "));
    assert_non_null(strstr(text, "sub-keys per half (keys, 1 to 46340; default 256)"));
    assert_non_null(strstr(text, "--memory-mode replace|add\n"));
    assert_non_null(strstr(text, "--out-dir DIR "));
    assert_non_null(strstr(text, "where to (required)"));
    assert_non_null(strstr(text, "(may be repeated)"));
}

static void test_suggest(void **state)
{
    static const char *const names[] = {"train", "tokenizer", "eval", "info", "memory_layers"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"trian", "train"}, {"tokeniser", "tokenizer"},        {"evl", "eval"},
        {"inof", "info"},   {"memory-layer", "memory_layers"}, {"xyz", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = pkm_suggest(cases[i].word, names, 5);

        if (cases[i].nearest == NULL)
            assert_null(got);
        else
            assert_string_equal(got, cases[i].nearest);
    }
}

static bool fail_nth(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int *)user == 0;
}

/* Every allocation of ours fails once; nothing leaks (under ASan) and nothing is half set. */
static void test_allocation_failures(void **state)
{
    pkm_status status = PKM_ERR_NOMEM;

    (void)state;
    for (int nth = 1; status != PKM_OK; nth++) {
        pkm_option_set *set = NULL;
        char *json = NULL;
        int left = nth;

        assert_true(nth < 100);
        pkm_alloc_set_hook(fail_nth, &left);
        status = pkm_options_create(&set, &table);
        if (status == PKM_OK)
            status = pkm_options_set_text(set, "out_dir", "x", PKM_ORIGIN_ARGS);
        if (status == PKM_OK)
            status = pkm_options_set_text(set, "stop", "x", PKM_ORIGIN_ARGS);
        if (status == PKM_OK)
            status = pkm_options_json(set, &json);
        pkm_alloc_set_hook(NULL, NULL);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
        pkm_text_free(json);
        pkm_options_destroy(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),           cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_refused),      cmocka_unit_test(test_origins),
        cmocka_unit_test(test_texts_are_bounded), cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_json_refused),      cmocka_unit_test(test_args),
        cmocka_unit_test(test_args_refused),      cmocka_unit_test(test_first_set_wins),
        cmocka_unit_test(test_environment),       cmocka_unit_test(test_help),
        cmocka_unit_test(test_suggest),           cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
