/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as data: one row per option (name, type, range, default, unit, help) from which command
 * line, JSON, environment, --help, completion and bindings follow. May still change before 1.0.
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
    PKM_OPTION_INT,    /* int64_t; suffixes k, M, G (powers of 1000) in text */
    PKM_OPTION_REAL,   /* double */
    PKM_OPTION_CHOICE, /* int: index into choices, "replace|add" */
    PKM_OPTION_STRING, /* const char *; kept by the option set */
    PKM_OPTION_LIST,   /* pkm_int_list: comma-separated integers, each in the range */
    PKM_OPTION_TEXTS   /* pkm_text_list: each use on the command line adds one */
} pkm_option_type;

enum { PKM_LIST_MAX = 64 };

typedef struct pkm_int_list {
    int64_t count;
    int64_t value[PKM_LIST_MAX];
} pkm_int_list;

typedef struct pkm_text_list {
    int64_t count;
    const char *value[PKM_LIST_MAX]; /* kept by the option set */
} pkm_text_list;

typedef struct pkm_option {
    const char *name; /* "n_keys"; --n-keys or --n_keys on the command line */
    pkm_option_type type;
    size_t offset;       /* of the field in the struct the table describes */
    double min, max;     /* of a number, inclusive; of a text's length in bytes, max 0: any */
    const char *preset;  /* default, as it would be typed; NULL: false, 0, "", empty. A text with
                          * min > 0 must be given where it is NULL, and may be left out where "" */
    const char *choices; /* of PKM_OPTION_CHOICE: "a|b|c" */
    const char *unit;    /* of a number: "tokens"; of a text, what it is: "FILE"; NULL: none */
    const char *group;   /* heading in --help; rows of a group stand together */
    const char *help;    /* one line */
} pkm_option;

typedef struct pkm_option_table {
    const pkm_option *rows;
    int count;
    size_t struct_bytes;
} pkm_option_table;

/* Where a value came from. A higher origin wins whatever the order of the calls; of the same
 * origin the later call wins. */
typedef enum pkm_origin {
    PKM_ORIGIN_DEFAULT,
    PKM_ORIGIN_FILE,
    PKM_ORIGIN_ENV,
    PKM_ORIGIN_ARGS
} pkm_origin;

/* A struct of values with its table. One thread at a time per object. */
typedef struct pkm_option_set pkm_option_set;

/**
 * Makes a set in which every option has its default.
 *
 * Memory:  *out is the caller's (pkm_options_destroy) and owns all texts in its values; table is
 *          borrowed and must outlive it
 * Errors:  PKM_ERR_ARG if a preset is outside its own range, PKM_ERR_NOMEM
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_options_create(pkm_option_set **out, const pkm_option_table *table);

/**
 * Releases a set and its texts; NULL is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_options_destroy(pkm_option_set *set);

/**
 * The struct the table describes, of table->struct_bytes, with the present values.
 *
 * Memory:  borrowed; texts in it change when their option is set again
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API const void *pkm_options_values(const pkm_option_set *set);

/**
 * Where the value of option `name` came from; PKM_ORIGIN_DEFAULT for an unknown name.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_origin pkm_options_origin(const pkm_option_set *set, const char *name);

/**
 * Sets option `name` from text as it would be typed; a value of a higher origin stays.
 *
 * Memory:  text is copied
 * Errors:  PKM_ERR_ARG for an unknown name (the message suggests the nearest) or a value that is
 *          not of the option's type and range; PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_options_set_text(pkm_option_set *set, const char *name, const char *text,
                                        pkm_origin origin);

/**
 * Sets every option a JSON object names: booleans, numbers, strings (choices and texts), arrays
 * (lists). json holds `bytes` bytes; path names their source in messages.
 *
 * Errors:  PKM_ERR_FORMAT for text that is not such an object, an unknown key, a value of another
 *          type or out of range: keys before it have been set; PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_options_set_json(pkm_option_set *set, const char *json, size_t bytes,
                                        const char *path, pkm_origin origin);

/**
 * Sets every option whose twin in the environment is not empty: PKM_N_KEYS for n_keys.
 *
 * Errors:  PKM_ERR_ARG naming the variable; PKM_ERR_NOMEM
 * Threads: one thread at a time per object; reads the environment
 * Since:   0.1
 */
PKM_API pkm_status pkm_options_set_env(pkm_option_set *set);

/**
 * Parses argv[0..argc): "--name value", "--name=value", "--name" and "--no-name" for a bool. Names
 * may be written with hyphens or underscores; "--" ends options. The first of the n_sets sets that
 * knows a name takes it. What is no option lands in positional, in order; "-" is none.
 *
 * Memory:  positional (room for argc pointers) borrows from argv; texts are copied
 * Errors:  PKM_ERR_ARG for an unknown name (the message suggests the nearest), a missing value or a
 *          wrong one; PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_options_parse_args(pkm_option_set *const *sets, int n_sets, int argc,
                                          char **argv, const char **positional, int *n_positional);

/**
 * All values as a JSON object in the order of the table; what pkm_options_set_json reads.
 *
 * Memory:  *out is the caller's, freed with pkm_text_free
 * Errors:  PKM_ERR_ARG for a text that is not UTF-8, PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_options_json(const pkm_option_set *set, char **out);

/**
 * Frees text that a libpkm function handed out; NULL is allowed.
 *
 * Threads: any thread
 * Since:   0.1
 */
PKM_API void pkm_text_free(char *text);

/**
 * Whether an option must be given; for tools, as the library itself does not insist.
 *
 * Threads: any thread
 * Since:   0.1
 */
PKM_API bool pkm_option_required(const pkm_option *row);

/* Room that pkm_option_text never needs more of. */
enum { PKM_OPTION_TEXT_BYTES = 1024 };

/**
 * Writes the flag that sets an option: "--n-keys", or "--no-echo" for a bool that is on.
 *
 * Memory:  out has room for `bytes` bytes; what does not fit is cut
 * Threads: any thread
 * Since:   0.1
 */
PKM_API void pkm_option_flag(char *out, size_t bytes, const pkm_option *row);

/**
 * What follows the flag: "N", "DIR", "batch|layer|none"; "" for a bool.
 *
 * Memory:  borrowed from row, or a static string
 * Threads: any thread
 * Since:   0.1
 */
PKM_API const char *pkm_option_operand(const pkm_option *row);

/**
 * Writes help with unit, range and default: "size of a shard (tokens, 1 to 4096; default 128)".
 *
 * Memory:  out has room for `bytes` bytes; what does not fit is cut
 * Threads: any thread
 * Since:   0.1
 */
PKM_API void pkm_option_text(char *out, size_t bytes, const pkm_option *row);

/**
 * Calls line(text, user) for each line of help: by group, each option with type, range and default.
 * Lines fit 80 columns.
 *
 * Memory:  a line is borrowed during its call
 * Threads: any thread
 * Since:   0.1
 */
PKM_API void pkm_options_help(const pkm_option_table *table, void (*line)(const char *, void *),
                              void *user);

/**
 * The one of names[0..n_names) that word is most likely a misspelling of, NULL if none is near.
 * Hyphens and underscores are the same letter.
 *
 * Memory:  borrowed from names
 * Threads: any thread
 * Since:   0.1
 */
PKM_API const char *pkm_suggest(const char *word, const char *const *names, int n_names);

#ifdef __cplusplus
}
#endif

#endif
