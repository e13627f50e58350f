/* SPDX-License-Identifier: Apache-2.0 */
/* jansson, bounded: see format/json.h. Nothing else in the library parses JSON. */
#include "format/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/choice.h"
#include "base/file.h"
#include "base/size.h"

/* jansson's own limit (2048 levels) is compiled in and costs stack; files of ours need four. */
enum { MAX_DEPTH = 64 };

/* What a text holds, found without building anything. */
typedef struct outline {
    int depth; /* deepest nesting of brackets outside strings */
    size_t brackets, values;
} outline;

static outline sketch(const char *text, size_t bytes)
{
    outline out = {.values = 1};
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < bytes && out.depth <= MAX_DEPTH; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            out.brackets++;
            out.values++;
            if (++depth > out.depth)
                out.depth = depth;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ',') {
            out.values++;
        }
    }
    return out;
}

/*
 * jansson loses its footing when memory runs out under it: text that it could not keep is cut, read
 * as something else, and read past its end. So room for all it will build is asked for first, in
 * one piece that can be refused; its own small requests then find memory. The bounds are those of
 * jansson 2.14 on a 64-bit machine, tables at their growth included (fuzz/fuzz_json.c).
 */
static pkm_status check_room(const outline *text, size_t bytes, const char *path)
{
    enum { PER_BRACKET = 256, PER_VALUE = 192, PER_BYTE = 4, LEXER = 4096 };
    size_t brackets, values, room;
    void *block;

    if (!pkm_size_mul(text->brackets, PER_BRACKET, &brackets) ||
        !pkm_size_mul(text->values, PER_VALUE, &values) || !pkm_size_mul(bytes, PER_BYTE, &room) ||
        !pkm_size_add(room, brackets, &room) || !pkm_size_add(room, values, &room) ||
        !pkm_size_add(room, LEXER, &room) || pkm_alloc(&block, room, "JSON values") != PKM_OK)
        return pkm_fail(PKM_ERR_NOMEM, "%s: out of memory for the values of %zu bytes of JSON",
                        path, bytes);
    pkm_free(block);
    return PKM_OK;
}

pkm_status pkm_json_parse(json_t **out, const char *text, size_t bytes, const char *path)
{
    outline content = sketch(text, bytes);
    json_error_t error;
    json_t *value;

    if (content.depth > MAX_DEPTH)
        return pkm_fail(PKM_ERR_FORMAT, "%s: JSON nested deeper than %d levels", path, MAX_DEPTH);
    PKM_TRY(check_room(&content, bytes, path));
    value = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    /* jansson has no text for some failures of its allocator. */
    if (value == NULL &&
        (json_error_code(&error) == json_error_out_of_memory || error.text[0] == '\0'))
        return pkm_json_no_memory();
    if (value == NULL)
        return pkm_fail(PKM_ERR_FORMAT, "%s: line %d, column %d: %s", path, error.line,
                        error.column, error.text);
    *out = value;
    return PKM_OK;
}

pkm_status pkm_json_load(json_t **out, const char *path, size_t max_bytes)
{
    char *text;
    size_t bytes;
    pkm_status status;

    PKM_TRY(pkm_file_read(&text, &bytes, path, max_bytes));
    status = pkm_json_parse(out, text, bytes, path);
    pkm_free(text);
    return status;
}

/* Where a text goes. jansson goes on after some failed pieces: the first failure is kept. */
typedef struct sink {
    pkm_strbuf *text;
    pkm_status status;
} sink;

static int append_piece(const char *piece, size_t bytes, void *user)
{
    sink *out = user;

    if (out->status == PKM_OK)
        out->status = pkm_strbuf_append(out->text, piece, bytes);
    return out->status == PKM_OK ? 0 : -1;
}

/* Is every real number of the tree read back as it is when written with 15 digits? */
static bool short_reals(const json_t *value)
{
    const char *key;
    json_t *child;
    size_t index;
    char text[40];

    if (json_is_real(value)) {
        snprintf(text, sizeof text, "%.15g", json_real_value(value));
        return strtod(text, NULL) == json_real_value(value);
    }
    json_object_foreach((json_t *)value, key, child)
    {
        if (!short_reals(child))
            return false;
    }
    json_array_foreach(value, index, child)
    {
        if (!short_reals(child))
            return false;
    }
    return true;
}

pkm_status pkm_json_append(pkm_strbuf *out, const json_t *value, size_t flags)
{
    sink to = {out, PKM_OK};

    /* jansson's 17 digits are always enough, but print 0.1 as 0.10000000000000001. */
    if ((flags & JSON_REAL_PRECISION(31)) == 0 && short_reals(value))
        flags |= JSON_REAL_PRECISION(15);
    if (json_dump_callback(value, append_piece, &to, flags) != 0 && to.status == PKM_OK)
        return pkm_json_no_memory();
    return to.status;
}

pkm_status pkm_json_save(const json_t *value, const char *path)
{
    pkm_strbuf text = {0};
    pkm_status status = pkm_json_append(&text, value, JSON_INDENT(2));

    if (status == PKM_OK)
        status = pkm_strbuf_append(&text, "\n", 1);
    if (status == PKM_OK)
        status = pkm_file_write(path, text.data, text.length);
    pkm_strbuf_release(&text);
    return status;
}

pkm_status pkm_json_no_memory(void)
{
    return pkm_fail(PKM_ERR_NOMEM, "out of memory: a JSON value");
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a real number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

/* *out = the field, or NULL where it may be missing. */
static pkm_status find(const json_t **out, const json_t *object, const char *key, bool required,
                       const char *path)
{
    const json_t *value = json_object_get(object, key);

    if (value != NULL && json_is_null(value))
        value = NULL;
    if (value == NULL && required)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %s is missing", path, key);
    *out = value;
    return PKM_OK;
}

static pkm_status wrong_type(const json_t *value, const char *key, const char *expected,
                             const char *path)
{
    return pkm_fail(PKM_ERR_FORMAT, "%s: %s is %s: expected %s", path, key, type_name(value),
                    expected);
}

pkm_status pkm_json_int(const json_t *object, const char *key, int64_t min, int64_t max,
                        bool required, int64_t *out, const char *path)
{
    const json_t *value;
    int64_t number;

    PKM_TRY(find(&value, object, key, required, path));
    if (value == NULL)
        return PKM_OK;
    if (!json_is_integer(value))
        return wrong_type(value, key, "an integer", path);
    number = json_integer_value(value);
    if (number < min || number > max)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %s is %lld: expected %lld to %lld", path, key,
                        (long long)number, (long long)min, (long long)max);
    *out = number;
    return PKM_OK;
}

pkm_status pkm_json_real(const json_t *object, const char *key, double min, double max,
                         bool required, double *out, const char *path)
{
    const json_t *value;
    double number;

    PKM_TRY(find(&value, object, key, required, path));
    if (value == NULL)
        return PKM_OK;
    if (!json_is_number(value))
        return wrong_type(value, key, "a number", path);
    number = json_number_value(value);
    if (!(number >= min && number <= max))
        return pkm_fail(PKM_ERR_FORMAT, "%s: %s is %g: expected %g to %g", path, key, number, min,
                        max);
    *out = number;
    return PKM_OK;
}

pkm_status pkm_json_bool(const json_t *object, const char *key, bool required, bool *out,
                         const char *path)
{
    const json_t *value;

    PKM_TRY(find(&value, object, key, required, path));
    if (value == NULL)
        return PKM_OK;
    if (!json_is_boolean(value))
        return wrong_type(value, key, "true or false", path);
    *out = json_is_true(value);
    return PKM_OK;
}

pkm_status pkm_json_string(const json_t *object, const char *key, bool required, const char **out,
                           const char *path)
{
    const json_t *value;

    PKM_TRY(find(&value, object, key, required, path));
    if (value == NULL)
        return PKM_OK;
    if (!json_is_string(value))
        return wrong_type(value, key, "a string", path);
    *out = json_string_value(value);
    return PKM_OK;
}

pkm_status pkm_json_object(const json_t *object, const char *key, bool required, const json_t **out,
                           const char *path)
{
    const json_t *value;

    PKM_TRY(find(&value, object, key, required, path));
    if (value == NULL)
        return PKM_OK;
    if (!json_is_object(value))
        return wrong_type(value, key, "an object", path);
    *out = value;
    return PKM_OK;
}

pkm_status pkm_json_array(const json_t *object, const char *key, bool required, const json_t **out,
                          const char *path)
{
    const json_t *value;

    PKM_TRY(find(&value, object, key, required, path));
    if (value == NULL)
        return PKM_OK;
    if (!json_is_array(value))
        return wrong_type(value, key, "an array", path);
    *out = value;
    return PKM_OK;
}

pkm_status pkm_json_version(const json_t *object, const char *key, int newest, const char *path)
{
    int64_t version;

    PKM_TRY(pkm_json_int(object, key, 1, INT64_MAX, true, &version, path));
    if (version > newest)
        return pkm_fail(PKM_ERR_UNSUPPORTED,
                        "%s: %s is %lld: written by a newer version than this one (" PKM_VERSION
                        "), which reads up to %d",
                        path, key, (long long)version, newest);
    return PKM_OK;
}

pkm_status pkm_json_choice(const json_t *object, const char *key, const char *choices,
                           bool required, int *out, const char *path)
{
    const char *text = NULL;
    int index;

    PKM_TRY(pkm_json_string(object, key, required, &text, path));
    if (text == NULL)
        return PKM_OK;
    index = pkm_choice_index(choices, text);
    if (index < 0)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: %s is \"%s\": expected %s", path, key, text,
                        choices);
    *out = index;
    return PKM_OK;
}
