/* SPDX-License-Identifier: Apache-2.0 */
/* Options from the command line and from the environment. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "options/set.h"

enum { LABEL_BYTES = 128, MAX_SETS = 8 };

/* One argument that starts with "--", taken apart. */
typedef struct argument {
    const char *name;   /* after "--" */
    size_t name_length; /* up to "=" */
    const char *value;  /* after "=", or NULL */
    pkm_option_set *set;
    int row;
    bool negated; /* --no-name */
} argument;

static bool find_in(argument *arg, pkm_option_set *const *sets, int n_sets)
{
    for (int i = 0; i < n_sets; i++) {
        arg->row = pkm_option_find(sets[i]->table, arg->name, arg->name_length);
        if (arg->row >= 0) {
            arg->set = sets[i];
            return true;
        }
    }
    return false;
}

static bool find_negated(argument *arg, pkm_option_set *const *sets, int n_sets)
{
    argument positive = {.name = arg->name + 3, .negated = true};

    if (arg->name_length <= 3 || strncmp(arg->name, "no", 2) != 0 ||
        (arg->name[2] != '-' && arg->name[2] != '_'))
        return false;
    positive.name_length = arg->name_length - 3;
    if (!find_in(&positive, sets, n_sets) ||
        positive.set->table->rows[positive.row].type != PKM_OPTION_BOOL || arg->value != NULL)
        return false;
    *arg = positive;
    return true;
}

static pkm_status unknown(const argument *arg, pkm_option_set *const *sets, int n_sets)
{
    const pkm_option_table *tables[MAX_SETS];
    char typed[LABEL_BYTES];

    for (int i = 0; i < n_sets; i++)
        tables[i] = sets[i]->table;
    snprintf(typed, sizeof typed, "%.*s", pkm_size_int(arg->name_length), arg->name);
    return pkm_option_unknown(PKM_ERR_ARG, tables, n_sets, typed, "--");
}

/* The one short name: -o is --out, as in many tools. */
static bool is_out(const char *arg)
{
    return strcmp(arg, "-o") == 0;
}

/* Stores the option at argv[*at] and moves *at to the last argument it took. */
static pkm_status take_option(pkm_option_set *const *sets, int n_sets, int argc, char **argv,
                              int *at)
{
    argument arg = {.name = is_out(argv[*at]) ? "out" : argv[*at] + 2};
    const pkm_option *row;
    char label[LABEL_BYTES];

    arg.name_length = strcspn(arg.name, "=");
    if (arg.name[arg.name_length] == '=')
        arg.value = arg.name + arg.name_length + 1;
    if (!find_in(&arg, sets, n_sets) && !find_negated(&arg, sets, n_sets))
        return unknown(&arg, sets, n_sets);
    row = &arg.set->table->rows[arg.row];
    snprintf(label, sizeof label, "--%.*s", pkm_size_int(arg.name_length), arg.name);
    if (arg.value == NULL && row->type == PKM_OPTION_BOOL) {
        arg.value = arg.negated ? "false" : "true";
    } else if (arg.value == NULL) {
        if (*at + 1 == argc || strncmp(argv[*at + 1], "--", 2) == 0)
            return pkm_option_refuse(PKM_ERR_ARG, row, label, NULL);
        arg.value = argv[++*at];
    }
    return pkm_option_store_text(arg.set, arg.row, arg.value, label, PKM_ORIGIN_ARGS);
}

pkm_status pkm_options_parse_args(pkm_option_set *const *sets, int n_sets, int argc, char **argv,
                                  const char **positional, int *n_positional)
{
    bool options = true;
    int n = 0;

    if (n_sets > MAX_SETS)
        return pkm_fail(PKM_ERR_ARG, "%d option sets: expected at most %d", n_sets, MAX_SETS);
    for (int i = 0; i < argc; i++) {
        if (!options || argv[i][0] != '-' || argv[i][1] == '\0')
            positional[n++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options = false;
        else if (argv[i][1] == '-' || is_out(argv[i]))
            PKM_TRY(take_option(sets, n_sets, argc, argv, &i));
        else
            return pkm_fail(PKM_ERR_ARG, "unknown option %.100s: options start with --", argv[i]);
    }
    *n_positional = n;
    return PKM_OK;
}

pkm_status pkm_options_set_env(pkm_option_set *set)
{
    for (int i = 0; i < set->table->count; i++) {
        char name[LABEL_BYTES];
        const char *text;

        snprintf(name, sizeof name, "PKM_%s", set->table->rows[i].name);
        for (char *c = name; *c != '\0'; c++)
            *c = (char)toupper((unsigned char)*c);
        text = getenv(name);
        if (text != NULL && text[0] != '\0')
            PKM_TRY(pkm_option_store_text(set, i, text, name, PKM_ORIGIN_ENV));
    }
    return PKM_OK;
}
