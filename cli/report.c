/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { NAME_COLUMNS = 24 };

static void print_value(const char *name, const json_t *value, int depth);

static void print_scalar(const json_t *value)
{
    if (json_is_string(value))
        printf("%s", json_string_value(value));
    else if (json_is_integer(value))
        printf("%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        printf("%.6g", json_real_value(value));
    else
        printf("%s", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "none");
}

static bool is_scalar(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

static void print_members(const json_t *object, int depth)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        print_value(name, value, depth);
    }
}

/* An array of scalars stands on one line, one of objects as a block per element. */
static void print_array(const char *name, const json_t *array, int depth)
{
    size_t count = json_array_size(array);

    if (count == 0 || is_scalar(json_array_get(array, 0))) {
        printf("%*s%-*s ", depth * 2, "", NAME_COLUMNS - depth * 2, name);
        for (size_t i = 0; i < count; i++) {
            printf("%s", i > 0 ? ", " : "");
            print_scalar(json_array_get(array, i));
        }
        puts(count == 0 ? "none" : "");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        printf("%*s%s %zu\n", depth * 2, "", name, i);
        print_members(json_array_get(array, i), depth + 1);
    }
}

static void print_value(const char *name, const json_t *value, int depth)
{
    if (json_is_object(value)) {
        printf("%*s%s\n", depth * 2, "", name);
        print_members(value, depth + 1);
    } else if (json_is_array(value)) {
        print_array(name, value, depth);
    } else {
        printf("%*s%-*s ", depth * 2, "", NAME_COLUMNS - depth * 2, name);
        print_scalar(value);
        putchar('\n');
    }
}

void report_print(const char *json, bool as_json)
{
    json_t *report = as_json ? NULL : json_loads(json, 0, NULL);

    if (report != NULL)
        print_members(report, 0);
    else
        puts(json);
    json_decref(report);
}

int report_object(const cmd_input *input, json_t *object)
{
    if (object == NULL)
        return cmd_fail(input, "no JSON: out of memory, or text or a path that is not UTF-8");
    (void)json_dumpf(object, stdout, JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
    return CMD_DONE;
}
