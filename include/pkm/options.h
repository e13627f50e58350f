/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as data: one row per option (name, type, range, default, unit, help) from which command
 * line, JSON, --help, completion and bindings follow. May still change before 1.0.
 */
#ifndef PKM_OPTIONS_H
#define PKM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkm/error.h"
#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pkm_option_type {
    PKM_OPTION_BOOL,   /* bool; on the command line --name or --no-name */
    PKM_OPTION_INT,    /* int64_t; suffixes k, M, G (powers of 1000) on the command line */
    PKM_OPTION_REAL,   /* double */
    PKM_OPTION_CHOICE, /* int: index into choices, "replace|add" */
    PKM_OPTION_STRING, /* const char *; kept by the option set */
    PKM_OPTION_LIST    /* pkm_int_list: comma-separated integers, each in the range */
} pkm_option_type;

enum { PKM_LIST_MAX = 64 };

typedef struct pkm_int_list {
    int64_t count;
    int64_t value[PKM_LIST_MAX];
} pkm_int_list;

typedef struct pkm_option {
    const char *name; /* "n_keys"; --n-keys or --n_keys on the command line */
    pkm_option_type type;
    size_t offset;       /* of the field in the struct the table describes */
    double min, max;     /* of a number, inclusive; of a string's length, bytes */
    const char *preset;  /* default, as it would be typed; NULL: false, "", empty */
    const char *choices; /* of PKM_OPTION_CHOICE: "a|b|c" */
    const char *unit;    /* "tokens", "" */
    const char *group;   /* heading in --help */
    const char *help;    /* one line */
} pkm_option;

typedef struct pkm_option_table {
    const pkm_option *rows;
    int count;
    size_t struct_bytes;
} pkm_option_table;

/* Where a value came from; later ones win: default < config file < environment < command line. */
typedef enum pkm_origin {
    PKM_ORIGIN_DEFAULT,
    PKM_ORIGIN_FILE,
    PKM_ORIGIN_ENV,
    PKM_ORIGIN_ARGS
} pkm_origin;

/* A struct of values with its table; strings are owned by it. */
typedef struct pkm_option_set pkm_option_set;

PKM_API pkm_status pkm_options_create(pkm_option_set **out, const pkm_option_table *table);
PKM_API void pkm_options_destroy(pkm_option_set *set);
/* The struct itself, of table->struct_bytes. */
PKM_API const void *pkm_options_values(const pkm_option_set *set);
PKM_API pkm_origin pkm_options_origin(const pkm_option_set *set, const char *name);

/* Sets one option from text, range-checked; an unknown name suggests the nearest. */
PKM_API pkm_status pkm_options_set_text(pkm_option_set *set, const char *name, const char *text,
                                        pkm_origin origin);
/* Sets all that a JSON object names; path is for messages. An unknown key is an error. */
PKM_API pkm_status pkm_options_set_json(pkm_option_set *set, const char *json, size_t bytes,
                                        const char *path, pkm_origin origin);
/* Twins in the environment: PKM_N_KEYS for n_keys. */
PKM_API pkm_status pkm_options_set_env(pkm_option_set *set);
/* Parses argv[0..argc); what is no option lands in positional (borrowed pointers, room for argc),
 * "--" ends options; several tables may be given: the first that knows the name takes it. */
PKM_API pkm_status pkm_options_parse_args(pkm_option_set *const *sets, int n_sets, int argc,
                                          char **argv, const char **positional, int *n_positional);
/* All values as a JSON object; *out freed with pkm_text_free. */
PKM_API pkm_status pkm_options_json(const pkm_option_set *set, char **out);
PKM_API void pkm_text_free(char *text);

/* Calls line for each line of help text: names, types, ranges, defaults, by group. */
PKM_API void pkm_options_help(const pkm_option_table *table, void (*line)(const char *, void *),
                              void *user);

#ifdef __cplusplus
}
#endif

#endif
