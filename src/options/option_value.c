/* SPDX-License-Identifier: Apache-2.0 */
/* Values: from text, their ranges, and the sentence that refuses a wrong one. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "options/set.h"

static bool parse_truth(bool *out, const char *text)
{
    static const struct {
        const char *word;
        bool truth;
    } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].truth;
            return true;
        }
    }
    return false;
}

/* Digits with an optional sign, then an optional k, M or G; *end is where the number ends. */
static bool parse_integer(int64_t *out, const char *text, const char **end)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int64_t scale = 1;
    char *rest;
    long long value;

    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    value = strtoll(text, &rest, 10);
    if (errno != 0)
        return false;
    if (*rest == 'k' || *rest == 'M' || *rest == 'G')
        scale = *rest == 'k' ? 1000 : *rest == 'M' ? 1000000 : 1000000000;
    *end = rest + (scale > 1);
    return !__builtin_mul_overflow((int64_t)value, scale, out);
}

static bool parse_real(double *out, const char *text)
{
    char *end;

    /* strtod also takes blanks, "inf", "nan" and hexadecimal; here a number is decimal. */
    if (text[0] == '\0' || text[strspn(text, "0123456789.+-eE")] != '\0')
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool parse_list(pkm_int_list *out, const char *text)
{
    out->count = 0;
    while (*text != '\0') {
        if (out->count == PKM_LIST_MAX || !parse_integer(&out->value[out->count], text, &text))
            return false;
        out->count++;
        if (*text == ',' && text[1] != '\0')
            text++;
        else if (*text != '\0')
            return false;
    }
    return true;
}

bool pkm_option_value_parse(pkm_option_value *out, const pkm_option *row, const char *text)
{
    const char *end = text;
    bool parsed = false;

    switch (row->type) {
    case PKM_OPTION_BOOL:
        parsed = parse_truth(&out->truth, text);
        break;
    case PKM_OPTION_INT:
        parsed = parse_integer(&out->integer, text, &end) && *end == '\0';
        break;
    case PKM_OPTION_REAL:
        parsed = parse_real(&out->real, text);
        break;
    case PKM_OPTION_CHOICE:
        out->choice = pkm_choice_index(row->choices, text);
        parsed = out->choice >= 0;
        break;
    case PKM_OPTION_LIST:
        parsed = parse_list(&out->list, text);
        break;
    case PKM_OPTION_STRING:
    case PKM_OPTION_TEXTS:
        out->texts.count = 1;
        out->texts.value[0] = text;
        parsed = true;
        break;
    }
    return parsed && pkm_option_value_valid(out, row);
}

static bool in_range(double number, const pkm_option *row)
{
    return number >= row->min && number <= row->max;
}

bool pkm_option_value_valid(const pkm_option_value *value, const pkm_option *row)
{
    switch (row->type) {
    case PKM_OPTION_INT:
        return in_range((double)value->integer, row);
    case PKM_OPTION_REAL:
        return in_range(value->real, row);
    case PKM_OPTION_LIST:
        for (int64_t i = 0; i < value->list.count; i++)
            if (!in_range((double)value->list.value[i], row))
                return false;
        return true;
    case PKM_OPTION_STRING:
    case PKM_OPTION_TEXTS:
        for (int64_t i = 0; i < value->texts.count; i++) {
            double bytes = (double)strlen(value->texts.value[i]);

            if (bytes < row->min || (row->max > 0 && bytes > row->max))
                return false;
        }
        return true;
    case PKM_OPTION_BOOL:
    case PKM_OPTION_CHOICE:
        break;
    }
    return true;
}

void pkm_option_range(char *out, size_t bytes, const pkm_option *row)
{
    const double exact = 9007199254740992.0;

    if (row->max == exact)
        snprintf(out, bytes, "%.15g to 2^53", row->min);
    else
        snprintf(out, bytes, "%.15g to %.15g", row->min, row->max);
}

/* What row accepts, as words: "a whole number from 1 to 64". */
static void describe(char *out, size_t bytes, const pkm_option *row)
{
    char range[64];

    pkm_option_range(range, sizeof range, row);
    switch (row->type) {
    case PKM_OPTION_BOOL:
        snprintf(out, bytes, "true or false");
        break;
    case PKM_OPTION_INT:
        snprintf(out, bytes, "a whole number from %s", range);
        break;
    case PKM_OPTION_REAL:
        snprintf(out, bytes, "a number from %s", range);
        break;
    case PKM_OPTION_CHOICE:
        snprintf(out, bytes, "one of %s", row->choices);
        break;
    case PKM_OPTION_LIST:
        snprintf(out, bytes, "up to %d whole numbers from %s", PKM_LIST_MAX, range);
        break;
    case PKM_OPTION_STRING:
    case PKM_OPTION_TEXTS:
        if (row->max > 0)
            snprintf(out, bytes, "text of %s bytes", range);
        else
            snprintf(out, bytes, "text%s", row->min > 0 ? ", not empty" : "");
        break;
    }
}

pkm_status pkm_option_refuse(pkm_status status, const pkm_option *row, const char *label,
                             const char *shown)
{
    char expected[256];

    describe(expected, sizeof expected, row);
    if (shown == NULL)
        return pkm_fail(status, "%s needs a value: expected %s", label, expected);
    return pkm_fail(status, "%s is '%.100s': expected %s", label, shown, expected);
}
