/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an option set and the storing of values in it. */
#include "pkm/options.h"

#include <string.h>

#include "base/alloc.h"
#include "options/set.h"

static char same_letter(char c)
{
    return c == '-' ? '_' : c;
}

int pkm_option_find(const pkm_option_table *table, const char *name, size_t length)
{
    for (int i = 0; i < table->count; i++) {
        const char *known = table->rows[i].name;
        size_t at = 0;

        while (at < length && same_letter(name[at]) == known[at])
            at++;
        if (at == length && known[at] == '\0')
            return i;
    }
    return -1;
}

static void *field_of(const pkm_option_set *set, int row)
{
    return set->values + set->table->rows[row].offset;
}

static void release_texts(pkm_text_list *texts)
{
    for (int64_t i = 0; i < texts->count; i++)
        pkm_free((void *)texts->value[i]);
    texts->count = 0;
}

pkm_status pkm_options_create(pkm_option_set **out, const pkm_option_table *table)
{
    pkm_option_set *set;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&set, 1, sizeof *set, "an option set"));
    set->table = table;
    status = pkm_alloc_array((void **)&set->origins, (size_t)table->count, sizeof *set->origins,
                             "an option set");
    if (status == PKM_OK)
        status = pkm_alloc_array((void **)&set->values, 1, table->struct_bytes, "an option set");
    for (int i = 0; i < table->count && status == PKM_OK; i++) {
        const pkm_option *row = &table->rows[i];

        if (row->preset != NULL && (row->preset[0] != '\0' || row->type != PKM_OPTION_STRING))
            status = pkm_option_store_text(set, i, row->preset, row->name, PKM_ORIGIN_DEFAULT);
        else if (row->type == PKM_OPTION_STRING)
            status = pkm_string_copy(field_of(set, i), "");
    }
    if (status != PKM_OK) {
        pkm_options_destroy(set);
        return status;
    }
    *out = set;
    return PKM_OK;
}

void pkm_options_destroy(pkm_option_set *set)
{
    if (set == NULL)
        return;
    for (int i = 0; set->values != NULL && i < set->table->count; i++) {
        if (set->table->rows[i].type == PKM_OPTION_STRING)
            pkm_free(*(char **)field_of(set, i));
        else if (set->table->rows[i].type == PKM_OPTION_TEXTS)
            release_texts(field_of(set, i));
    }
    pkm_free(set->values);
    pkm_free(set->origins);
    pkm_free(set);
}

const void *pkm_options_values(const pkm_option_set *set)
{
    return set->values;
}

pkm_origin pkm_options_origin(const pkm_option_set *set, const char *name)
{
    int row = pkm_option_find(set->table, name, strlen(name));

    return row < 0 ? PKM_ORIGIN_DEFAULT : set->origins[row];
}

static pkm_status store_string(char **field, const char *text)
{
    char *copy;

    PKM_TRY(pkm_string_copy(&copy, text));
    pkm_free(*field);
    *field = copy;
    return PKM_OK;
}

static pkm_status append_texts(pkm_text_list *field, const pkm_text_list *added, const char *name)
{
    if (field->count + added->count > PKM_LIST_MAX)
        return pkm_fail(PKM_ERR_ARG, "%s: more than %d texts", name, PKM_LIST_MAX);
    for (int64_t i = 0; i < added->count; i++) {
        PKM_TRY(pkm_string_copy((char **)&field->value[field->count], added->value[i]));
        field->count++;
    }
    return PKM_OK;
}

pkm_status pkm_option_store(pkm_option_set *set, int row, const pkm_option_value *value,
                            pkm_origin origin)
{
    const pkm_option *option = &set->table->rows[row];
    void *field = field_of(set, row);
    pkm_origin present = set->origins[row];

    if (present > origin)
        return PKM_OK;
    switch (option->type) {
    case PKM_OPTION_BOOL:
        *(bool *)field = value->truth;
        break;
    case PKM_OPTION_INT:
        *(int64_t *)field = value->integer;
        break;
    case PKM_OPTION_REAL:
        *(double *)field = value->real;
        break;
    case PKM_OPTION_CHOICE:
        *(int *)field = value->choice;
        break;
    case PKM_OPTION_STRING:
        PKM_TRY(store_string(field, value->texts.value[0]));
        break;
    case PKM_OPTION_LIST:
        *(pkm_int_list *)field = value->list;
        break;
    case PKM_OPTION_TEXTS:
        if (present < origin)
            release_texts(field);
        PKM_TRY(append_texts(field, &value->texts, option->name));
        break;
    }
    set->origins[row] = origin;
    return PKM_OK;
}

pkm_status pkm_option_store_text(pkm_option_set *set, int row, const char *text, const char *label,
                                 pkm_origin origin)
{
    const pkm_option *option = &set->table->rows[row];
    pkm_option_value value = {0}; /* a list is stored whole */

    if (!pkm_option_value_parse(&value, option, text))
        return pkm_option_refuse(PKM_ERR_ARG, option, label, text);
    return pkm_option_store(set, row, &value, origin);
}

pkm_status pkm_options_set_text(pkm_option_set *set, const char *name, const char *text,
                                pkm_origin origin)
{
    int row = pkm_option_find(set->table, name, strlen(name));

    if (row < 0)
        return pkm_option_unknown(PKM_ERR_ARG, &set->table, 1, name, "");
    return pkm_option_store_text(set, row, text, set->table->rows[row].name, origin);
}

void pkm_text_free(char *text)
{
    pkm_free(text);
}
