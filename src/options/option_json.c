/* SPDX-License-Identifier: Apache-2.0 */
/* Options from and to JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/choice.h"
#include "base/strbuf.h"
#include "format/json.h"
#include "options/set.h"

/* A whole number, also one written like 1e7; doubles are exact up to 2^53. */
static bool integer_from(int64_t *out, const json_t *json)
{
    const double exact = 9007199254740992.0;

    if (json_is_integer(json)) {
        *out = json_integer_value(json);
        return true;
    }
    if (!json_is_real(json) || fabs(json_real_value(json)) > exact ||
        floor(json_real_value(json)) != json_real_value(json))
        return false;
    *out = (int64_t)json_real_value(json);
    return true;
}

static bool list_from(pkm_int_list *out, const json_t *json)
{
    size_t count = json_array_size(json);

    if (!json_is_array(json) || count > PKM_LIST_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!integer_from(&out->value[i], json_array_get(json, i)))
            return false;
    out->count = (int64_t)count;
    return true;
}

static bool texts_from(pkm_text_list *out, const json_t *json)
{
    size_t count = json_array_size(json);

    if (!json_is_array(json) || count > PKM_LIST_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        out->value[i] = json_string_value(json_array_get(json, i));
        if (out->value[i] == NULL)
            return false;
    }
    out->count = (int64_t)count;
    return true;
}

static bool value_from(pkm_option_value *out, const pkm_option *row, const json_t *json)
{
    bool read = false;

    switch (row->type) {
    case PKM_OPTION_BOOL:
        read = json_is_boolean(json);
        out->truth = json_is_true(json);
        break;
    case PKM_OPTION_INT:
        read = integer_from(&out->integer, json);
        break;
    case PKM_OPTION_REAL:
        read = json_is_number(json);
        out->real = json_number_value(json);
        break;
    case PKM_OPTION_CHOICE:
        out->choice =
            json_is_string(json) ? pkm_choice_index(row->choices, json_string_value(json)) : -1;
        read = out->choice >= 0;
        break;
    case PKM_OPTION_STRING:
        out->texts.count = 1;
        out->texts.value[0] = json_string_value(json);
        read = json_is_string(json);
        break;
    case PKM_OPTION_LIST:
        read = list_from(&out->list, json);
        break;
    case PKM_OPTION_TEXTS:
        read = texts_from(&out->texts, json);
        break;
    }
    return read && pkm_option_value_valid(out, row);
}

static pkm_status store_json(pkm_option_set *set, const char *key, const json_t *json,
                             const char *path, pkm_origin origin)
{
    int row = pkm_option_find(set->table, key, strlen(key));
    pkm_option_value value = {0}; /* a list is stored whole */
    char label[512], shown[101] = "";

    if (row < 0) {
        pkm_option_unknown(PKM_ERR_FORMAT, &set->table, 1, key, "");
        pkm_error_prefix("%s", path);
        return PKM_ERR_FORMAT;
    }
    if (!value_from(&value, &set->table->rows[row], json)) {
        snprintf(label, sizeof label, "%s: %s", path, key);
        json_dumpb(json, shown, sizeof shown - 1, JSON_COMPACT | JSON_ENCODE_ANY);
        return pkm_option_refuse(PKM_ERR_FORMAT, &set->table->rows[row], label, shown);
    }
    return pkm_option_store(set, row, &value, origin);
}

pkm_status pkm_options_set_json(pkm_option_set *set, const char *json, size_t bytes,
                                const char *path, pkm_origin origin)
{
    json_t *object, *value;
    const char *key;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_json_parse(&object, json, bytes, path));
    if (!json_is_object(object))
        status = pkm_fail(PKM_ERR_FORMAT, "%s: expected a JSON object", path);
    json_object_foreach(object, key, value)
    {
        status = store_json(set, key, value, path, origin);
        if (status != PKM_OK)
            break;
    }
    json_decref(object);
    return status;
}

/* The array, or NULL if an element could not be added to it. */
static json_t *whole_array(json_t *array, int failed)
{
    if (failed == 0)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *list_to_json(const pkm_int_list *list)
{
    json_t *array = json_array();
    int failed = 0;

    for (int64_t i = 0; i < list->count; i++)
        failed |= json_array_append_new(array, json_integer(list->value[i]));
    return whole_array(array, failed);
}

static json_t *texts_to_json(const pkm_text_list *texts)
{
    json_t *array = json_array();
    int failed = 0;

    for (int64_t i = 0; i < texts->count; i++)
        failed |= json_array_append_new(array, json_string(texts->value[i]));
    return whole_array(array, failed);
}

static json_t *choice_to_json(const char *choices, int index)
{
    size_t length;
    const char *word = pkm_choice_word(choices, index, &length);

    return json_stringn(word, length);
}

static json_t *to_json(const pkm_option *row, const void *field)
{
    switch (row->type) {
    case PKM_OPTION_BOOL:
        return json_boolean(*(const bool *)field);
    case PKM_OPTION_INT:
        return json_integer(*(const int64_t *)field);
    case PKM_OPTION_REAL:
        return json_real(*(const double *)field);
    case PKM_OPTION_CHOICE:
        return choice_to_json(row->choices, *(const int *)field);
    case PKM_OPTION_STRING:
        return json_string(*(const char *const *)field);
    case PKM_OPTION_LIST:
        return list_to_json(field);
    case PKM_OPTION_TEXTS:
        return texts_to_json(field);
    }
    return NULL;
}

pkm_status pkm_options_json(const pkm_option_set *set, char **out)
{
    json_t *object = json_object();
    pkm_strbuf text = {0};
    pkm_status status = PKM_OK;

    for (int i = 0; i < set->table->count && status == PKM_OK; i++) {
        const pkm_option *row = &set->table->rows[i];

        if (json_object_set_new(object, row->name, to_json(row, set->values + row->offset)) != 0)
            status = pkm_fail(PKM_ERR_ARG,
                              "%s cannot be written as JSON: out of memory, or text "
                              "that is not UTF-8",
                              row->name);
    }
    if (status == PKM_OK)
        status = pkm_json_append(&text, object, JSON_INDENT(2));
    json_decref(object);
    if (status != PKM_OK) {
        pkm_strbuf_release(&text);
        return status;
    }
    *out = text.data;
    return PKM_OK;
}
