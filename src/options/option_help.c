/* SPDX-License-Identifier: Apache-2.0 */
/* Help text from the rows of a table. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "options/set.h"

/* Columns: names from 2, descriptions from INDENT, wrapped before WIDTH where a word allows. */
enum { INDENT = 28, WIDTH = 80, LINE_BYTES = 256 };

static void append(char *text, size_t bytes, const char *more)
{
    size_t used = strlen(text);

    snprintf(text + used, bytes - used, "%s", more);
}

static bool is_number(const pkm_option *row)
{
    return row->type == PKM_OPTION_INT || row->type == PKM_OPTION_REAL ||
           row->type == PKM_OPTION_LIST;
}

/* The value an option has when nobody sets it, as a word; NULL where there is nothing to say. */
static const char *default_word(const pkm_option *row)
{
    if (row->type == PKM_OPTION_BOOL)
        return NULL;
    if (row->preset != NULL && row->preset[0] != '\0')
        return row->preset;
    return row->type == PKM_OPTION_LIST ? "none" : NULL;
}

bool pkm_option_required(const pkm_option *row)
{
    return row->type == PKM_OPTION_STRING && row->min > 0 && row->preset == NULL;
}

void pkm_option_flag(char *out, size_t bytes, const pkm_option *row)
{
    bool on = row->type == PKM_OPTION_BOOL && row->preset != NULL && row->preset[0] == 't';

    snprintf(out, bytes, on ? "--no-%s" : "--%s", row->name);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
}

const char *pkm_option_operand(const pkm_option *row)
{
    switch (row->type) {
    case PKM_OPTION_BOOL:
        break;
    case PKM_OPTION_INT:
        return "N";
    case PKM_OPTION_REAL:
        return "X";
    case PKM_OPTION_LIST:
        return "N,N...";
    case PKM_OPTION_CHOICE:
        return row->choices;
    case PKM_OPTION_STRING:
    case PKM_OPTION_TEXTS:
        return row->unit != NULL ? row->unit : "TEXT";
    }
    return "";
}

/* "tokens, 1 to 4096; default 128", or "" where there is nothing to add. */
static void describe_limits(char *out, size_t bytes, const pkm_option *row)
{
    const char *preset = default_word(row);
    char part[128];

    out[0] = '\0';
    if (is_number(row)) {
        pkm_option_range(part, sizeof part, row);
        if (row->unit != NULL)
            snprintf(out, bytes, "%s, ", row->unit);
        append(out, bytes, part);
        append(out, bytes, preset != NULL ? "; " : "");
    }
    if (preset != NULL) {
        append(out, bytes, "default ");
        append(out, bytes, preset);
    } else if (pkm_option_required(row)) {
        append(out, bytes, "required");
    } else if (row->type == PKM_OPTION_TEXTS) {
        append(out, bytes, "may be repeated");
    }
}

void pkm_option_text(char *out, size_t bytes, const pkm_option *row)
{
    char limits[LINE_BYTES];

    describe_limits(limits, sizeof limits, row);
    snprintf(out, bytes, limits[0] != '\0' ? "%s (%s)" : "%s", row->help, limits);
}

/* Bytes of text that fit into `room` columns without cutting a word (at least one word). */
static size_t fitting(const char *text, size_t room)
{
    size_t length = strlen(text), best = 0;

    if (length <= room)
        return length;
    for (size_t at = 0; at < length; at++)
        if (text[at] == ' ' && (at <= room || best == 0))
            best = at;
    return best > 0 ? best : length;
}

static void print_option(const pkm_option *row, void (*line_out)(const char *, void *), void *user)
{
    const char *operand = pkm_option_operand(row);
    char flag[LINE_BYTES], text[PKM_OPTION_TEXT_BYTES], line[LINE_BYTES + PKM_OPTION_TEXT_BYTES];
    const char *rest = text;

    pkm_option_flag(flag, sizeof flag, row);
    pkm_option_text(text, sizeof text, row);
    snprintf(line, sizeof line, "  %s%s%s", flag, operand[0] != '\0' ? " " : "", operand);
    if (strlen(line) + 2 > INDENT) {
        line_out(line, user);
        line[0] = '\0';
    }
    while (*rest != '\0') {
        size_t bytes = fitting(rest, WIDTH - INDENT), used = strlen(line);

        snprintf(line + used, sizeof line - used, "%*s%.*s", INDENT - pkm_size_int(used), "",
                 pkm_size_int(bytes), rest);
        line_out(line, user);
        line[0] = '\0';
        rest += bytes + (rest[bytes] == ' ');
    }
}

void pkm_options_help(const pkm_option_table *table, void (*line)(const char *, void *), void *user)
{
    const char *group = NULL;

    for (int i = 0; i < table->count; i++) {
        const pkm_option *row = &table->rows[i];

        if (row->group != NULL && (group == NULL || strcmp(group, row->group) != 0)) {
            char heading[LINE_BYTES];

            group = row->group;
            snprintf(heading, sizeof heading, "%s:", group);
            line("", user);
            line(heading, user);
        }
        print_option(row, line, user);
    }
}
