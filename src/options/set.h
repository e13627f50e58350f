/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside src/options. Text and JSON both become a pkm_option_value, which is checked in one place,
 * complained about in one sentence ("--topk is '99': expected a whole number from 1 to 64") and
 * stored in one place.
 */
#ifndef PKM_OPTIONS_SET_H
#define PKM_OPTIONS_SET_H

#include "base/error.h"
#include "pkm/options.h"

struct pkm_option_set {
    const pkm_option_table *table;
    pkm_origin *origins; /* [table->count] */
    char *values;        /* the struct, table->struct_bytes */
};

/* A value of any type, before it is stored; texts are borrowed. */
typedef struct pkm_option_value {
    bool truth;
    int64_t integer;
    double real;
    int choice;
    pkm_int_list list;
    pkm_text_list texts; /* STRING: exactly one */
} pkm_option_value;

/* Index of the row called name[0..length), hyphens and underscores being the same; -1: none. */
int pkm_option_find(const pkm_option_table *table, const char *name, size_t length);

/* Reads text as row's type; false if it is none or out of range. */
bool pkm_option_value_parse(pkm_option_value *out, const pkm_option *row, const char *text);
/* Whether a value read elsewhere is in row's range. */
bool pkm_option_value_valid(const pkm_option_value *value, const pkm_option *row);

/* "1 to 64": the range of row's numbers or lengths. */
void pkm_option_range(char *out, size_t bytes, const pkm_option *row);
/* "LABEL is 'SHOWN': expected ..." with what row accepts. */
pkm_status pkm_option_refuse(pkm_status status, const pkm_option *row, const char *label,
                             const char *shown);
/* "unknown option TYPED: did you mean PREFIX...?" over the names of n tables. */
pkm_status pkm_option_unknown(pkm_status status, const pkm_option_table *const *tables, int n,
                              const char *typed, const char *prefix);

/* Stores a valid value unless the row holds one of a higher origin. */
pkm_status pkm_option_store(pkm_option_set *set, int row, const pkm_option_value *value,
                            pkm_origin origin);
/* Parses and stores; label is what messages call the option. */
pkm_status pkm_option_store_text(pkm_option_set *set, int row, const char *text, const char *label,
                                 pkm_origin origin);

#endif
