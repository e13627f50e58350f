/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect_page.h"
#include "report.h"

enum { SLOTS_SHOWN = 10, COLUMNS = 28 }; /* of each memory; of text on each side of a token */

/* How the character that text begins with is shown on a terminal, which text must not steer: NULL,
 * as it is. *bytes: those it takes. */
static const char *shown_as(const char *text, size_t *bytes)
{
    static const char *const names[] = {['\n'] = "\\n", ['\t'] = "\\t", ['\r'] = "\\r"};
    unsigned char c = (unsigned char)text[0];

    *bytes = 1;
    if (c < sizeof names / sizeof names[0] && names[c] != NULL)
        return names[c];
    if (c < ' ' || c == 0x7f)
        return "?";
    while (((unsigned char)text[*bytes] & 0xc0) == 0x80) /* the rest of a character of UTF-8 */
        ++*bytes;
    return c == 0xc2 && (unsigned char)text[1] < 0xa0 ? "?" : NULL; /* U+0080 to U+009F */
}

/* Prints token `place` unless told not to; returns its columns. */
static int show_token(const json_t *tokens, int64_t place, bool print)
{
    const json_t *value = json_object_get(json_array_get(tokens, (size_t)place), "text");
    const char *text = json_string_value(value), *end = text + json_string_length(value);
    int columns = 0;

    while (text < end) {
        size_t bytes;
        const char *shown = shown_as(text, &bytes);

        columns += shown != NULL && shown[1] != '\0' ? 2 : 1;
        if (print && shown != NULL)
            fputs(shown, stdout);
        else if (print)
            fwrite(text, 1, bytes, stdout);
        text += bytes;
    }
    return columns;
}

/* Tokens from `place` on, step by step, that fit COLUMNS; returns the place behind the last. */
static int64_t fitting(const json_t *tokens, int64_t place, int step, int *columns)
{
    *columns = 0;
    while (place >= 0 && place < (int64_t)json_array_size(tokens)) {
        int wide = show_token(tokens, place, false);

        if (*columns + wide > COLUMNS)
            break;
        *columns += wide;
        place += step;
    }
    return place;
}

/* One token that reads a slot, between its neighbours. */
static void print_context(const json_t *tokens, const json_t *context)
{
    int64_t place = json_integer_value(json_array_get(context, 0));
    int before, after;
    int64_t first = fitting(tokens, place - 1, -1, &before) + 1;
    int64_t end = fitting(tokens, place + 1, 1, &after);

    printf("  %6.3f  %*s", json_number_value(json_array_get(context, 1)), COLUMNS - before, "");
    for (int64_t i = first; i < end; i++) {
        fputs(i == place ? "\xc2\xab" : "", stdout);
        (void)show_token(tokens, i, true);
        fputs(i == place ? "\xc2\xbb" : "", stdout);
    }
    putchar('\n');
}

static long long count_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_slot(const json_t *tokens, const json_t *slot)
{
    const json_t *contexts = json_object_get(slot, "contexts");

    printf("\nslot %lld: rank %lld, mass %.2f, read by %lld tokens, %lld distinct\n",
           count_of(slot, "slot"), count_of(slot, "rank"),
           json_real_value(json_object_get(slot, "mass")), count_of(slot, "readers"),
           count_of(slot, "distinct"));
    for (size_t i = 0; i < json_array_size(contexts); i++)
        print_context(tokens, json_array_get(contexts, i));
}

static int by_information(const void *left, const void *right)
{
    double a = json_number_value(json_object_get(*(json_t *const *)left, "information"));
    double b = json_number_value(json_object_get(*(json_t *const *)right, "information"));

    return (a < b) - (a > b);
}

static int print_memory(const cmd_input *input, const json_t *tokens, const json_t *memory)
{
    const json_t *slots = json_object_get(memory, "slots");
    long long n_keys = count_of(memory, "n_keys");
    size_t count = json_array_size(slots);
    json_t **order = calloc(count, sizeof(json_t *)); /* of a report: never none */

    if (order == NULL)
        return cmd_no_memory(input);
    for (size_t i = 0; i < count; i++)
        order[i] = json_array_get(slots, i);
    qsort((void *)order, count, sizeof(json_t *), by_information);
    printf("\nmemory of layer %lld: %lld of %lld slots were read; those that tell most of the "
           "token\n",
           count_of(memory, "layer"), count_of(memory, "slots_read"), n_keys * n_keys);
    for (size_t i = 0; i < count && i < SLOTS_SHOWN; i++)
        print_slot(tokens, order[i]);
    free((void *)order);
    return CMD_DONE;
}

int inspect_view_print(const cmd_input *input, const char *json)
{
    json_t *report = json_loads(json, JSON_ALLOW_NUL, NULL);
    const json_t *tokens = json_object_get(report, "tokens");
    const json_t *memories = json_object_get(report, "memory");
    int code = CMD_DONE;

    if (report == NULL)
        return cmd_no_memory(input);
    printf("%zu tokens of %lld\n", json_array_size(tokens), count_of(report, "file_tokens"));
    for (size_t i = 0; i < json_array_size(memories) && code == CMD_DONE; i++)
        code = print_memory(input, tokens, json_array_get(memories, i));
    json_decref(report);
    return code;
}

void inspect_view_page(FILE *file, const char *json)
{
    const char *page = (const char *)inspect_page, *data = strstr(page, INSPECT_PAGE_DATA);

    fwrite(page, 1, (size_t)(data - page), file);
    /* In JSON a < stands in strings only, where its escape means the same: no text ends the
     * script it lies in. */
    for (; *json != '\0'; json++)
        if (*json == '<')
            fputs("\\u003c", file);
        else
            putc(*json, file);
    fputs(data + strlen(INSPECT_PAGE_DATA), file);
}
