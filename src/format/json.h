/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON through jansson, bounded: duplicates rejected, depth checked before parsing, every getter
 * typed and ranged. Messages name file and field ("config.json: n_layer is -1: expected 1 to
 * 4096").
 */
#ifndef PKM_FORMAT_JSON_H
#define PKM_FORMAT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Parses text; `path` is for messages. *out is released with json_decref. */
pkm_status pkm_json_parse(json_t **out, const char *text, size_t bytes, const char *path);
/* Reads and parses a file of at most max_bytes. */
pkm_status pkm_json_load(json_t **out, const char *path, size_t max_bytes);
/* Appends the text of an object or array; flags are jansson's JSON_COMPACT or JSON_INDENT(2). Real
 * numbers read back as they are, unless flags hold a JSON_REAL_PRECISION. */
pkm_status pkm_json_append(pkm_strbuf *out, const json_t *value, size_t flags);
/* Writes with two-space indentation and a final newline, synced and renamed. */
pkm_status pkm_json_save(const json_t *value, const char *path);

/* Building: jansson's *_new setters take NULL from a failed json_*() call and return -1, so their
 * results can be or'ed together and judged once. */
pkm_status pkm_json_no_memory(void);

/* A field of an object. `required`: missing (or null) is an error; else *out is left untouched. */
pkm_status pkm_json_int(const json_t *object, const char *key, int64_t min, int64_t max,
                        bool required, int64_t *out, const char *path);
pkm_status pkm_json_real(const json_t *object, const char *key, double min, double max,
                         bool required, double *out, const char *path);
pkm_status pkm_json_bool(const json_t *object, const char *key, bool required, bool *out,
                         const char *path);
/* *out borrowed from object. */
pkm_status pkm_json_string(const json_t *object, const char *key, bool required, const char **out,
                           const char *path);
pkm_status pkm_json_object(const json_t *object, const char *key, bool required, const json_t **out,
                           const char *path);
pkm_status pkm_json_array(const json_t *object, const char *key, bool required, const json_t **out,
                          const char *path);
/* The version of a format of ours, from 1 on; one above `newest` is PKM_ERR_UNSUPPORTED. */
pkm_status pkm_json_version(const json_t *object, const char *key, int newest, const char *path);
/* Index of the string in choices, "a|b|c"; an unknown one is PKM_ERR_UNSUPPORTED. */
pkm_status pkm_json_choice(const json_t *object, const char *key, const char *choices,
                           bool required, int *out, const char *path);

#endif
