/* SPDX-License-Identifier: Apache-2.0 */
/* Help text from the rows of a table. */
#include <stdio.h>
#include <string.h>

#include "options/set.h"

/* Columns: names from 2, descriptions from INDENT, wrapped before WIDTH where a word allows. */
enum { INDENT = 30, WIDTH = 96, LINE_BYTES = 256, TEXT_BYTES = 1024 };

typedef struct printer {
    void (*line)(const char *, void *);
    void *user;
} printer;

static void append(char *text, size_t bytes, const char *more)
{
    size_t used = strlen(text);

    snprintf(text + used, bytes - used, "%s", more);
}

/* "--n-keys N", "--no-echo", "--query-norm batch|layer|none". */
static void describe_name(char *out, size_t bytes, const pkm_option *row)
{
    bool on = row->type == PKM_OPTION_BOOL && row->preset != NULL && row->preset[0] == 't';

    snprintf(out, bytes, on ? "--no-%s" : "--%s", row->name);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
    switch (row->type) {
    case PKM_OPTION_BOOL:
        break;
    case PKM_OPTION_INT:
        append(out, bytes, " N");
        break;
    case PKM_OPTION_REAL:
        append(out, bytes, " X");
        break;
    case PKM_OPTION_LIST:
        append(out, bytes, " N,N...");
        break;
    case PKM_OPTION_CHOICE:
        append(out, bytes, " ");
        append(out, bytes, row->choices);
        break;
    case PKM_OPTION_STRING:
    case PKM_OPTION_TEXTS:
        append(out, bytes, " ");
        append(out, bytes, row->unit != NULL ? row->unit : "TEXT");
        break;
    }
}

/* " (tokens, 1 to 4096; default 128)", or nothing where there is nothing to add. */
static void describe_limits(char *out, size_t bytes, const pkm_option *row)
{
    bool number =
        row->type == PKM_OPTION_INT || row->type == PKM_OPTION_REAL || row->type == PKM_OPTION_LIST;
    bool preset = row->type != PKM_OPTION_BOOL && row->preset != NULL && row->preset[0] != '\0';
    bool required = row->type == PKM_OPTION_STRING && row->min > 0 && !preset;
    char part[128];

    out[0] = '\0';
    if (number && row->unit != NULL && row->unit[0] != '\0') {
        snprintf(part, sizeof part, "%s, ", row->unit);
        append(out, bytes, part);
    }
    if (number) {
        pkm_option_range(part, sizeof part, row);
        append(out, bytes, part);
    }
    if (preset || required)
        snprintf(part, sizeof part, "%s%s%s", number ? "; " : "",
                 required ? "required" : "default ", required ? "" : row->preset);
    if (preset || required)
        append(out, bytes, part);
    if (row->type == PKM_OPTION_TEXTS)
        append(out, bytes, "may be repeated");
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

static void print_option(const pkm_option *row, const printer *out)
{
    char name[LINE_BYTES], limits[LINE_BYTES], text[TEXT_BYTES], line[LINE_BYTES + TEXT_BYTES];
    const char *rest = text;

    describe_name(name, sizeof name, row);
    describe_limits(limits, sizeof limits, row);
    snprintf(text, sizeof text, limits[0] != '\0' ? "%s (%s)" : "%s", row->help, limits);
    snprintf(line, sizeof line, "  %-*s", INDENT - 3, name);
    if (strlen(line) >= INDENT) {
        out->line(line, out->user);
        line[0] = '\0';
    }
    while (*rest != '\0') {
        size_t bytes = fitting(rest, WIDTH - INDENT), used = strlen(line);

        snprintf(line + used, sizeof line - used, "%*s%.*s", INDENT - (int)used, "", (int)bytes,
                 rest);
        out->line(line, out->user);
        line[0] = '\0';
        rest += bytes + (rest[bytes] == ' ');
    }
}

void pkm_options_help(const pkm_option_table *table, void (*line)(const char *, void *), void *user)
{
    printer out = {.line = line, .user = user};
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
        print_option(row, &out);
    }
}
