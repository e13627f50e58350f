/* SPDX-License-Identifier: Apache-2.0 */
#include "report/run_facts.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/json.h"
#include "models/model_dir.h"
#include "pkm/model.h"
#include "pkm/train.h"

enum { MAX_CONFIG = 1 << 20 };

/* A number, a word, or a list without its brackets. */
static pkm_status setting_text(char **out, const json_t *value)
{
    pkm_strbuf text = {0};
    size_t skip = json_is_array(value);
    pkm_status status;

    if (json_is_string(value))
        return pkm_string_copy(out, json_string_value(value));
    PKM_TRY(pkm_json_append(&text, value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)));
    text.data[text.length - skip] = '\0';
    status = pkm_string_copy(out, text.data + skip);
    pkm_strbuf_release(&text);
    return status;
}

static pkm_status take_settings(pkm_run_facts *facts, const char *path)
{
    const pkm_option_table *table = pkm_train_option_table();
    const json_t *options = NULL;
    json_t *config;
    pkm_status status;

    PKM_TRY(pkm_json_load(&config, path, MAX_CONFIG));
    status = pkm_json_object(config, "pkm", false, &options, path);
    for (int i = 0; i < table->count && status == PKM_OK; i++) {
        const json_t *value = json_object_get(options, table->rows[i].name);

        if (value != NULL)
            status = setting_text(&facts->settings[i], value);
    }
    json_decref(config);
    return status;
}

/* A model that cannot be read leaves the size unknown: the page is on the training. */
static pkm_status take_size(pkm_run_facts *facts, const char *dir)
{
    json_t *model;
    char *text;
    pkm_status status = pkm_model_inspect(dir, &text);

    if (status != PKM_OK)
        return status == PKM_ERR_NOMEM ? status : PKM_OK;
    status = pkm_json_parse(&model, text, strlen(text), dir);
    pkm_text_free(text);
    PKM_TRY(status);
    facts->parameters = json_number_value(json_object_get(model, "parameters"));
    facts->of_memories = json_number_value(json_object_get(model, "value_parameters"));
    json_decref(model);
    return PKM_OK;
}

pkm_status pkm_run_facts_load(pkm_run_facts *out, const char *dir)
{
    pkm_run_facts facts = {.parameters = NAN, .of_memories = NAN};
    char *path = NULL;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&facts.settings, (size_t)pkm_train_option_table()->count,
                            sizeof *facts.settings, "settings of a run"));
    status = pkm_path_join(&path, dir, "config.json");
    if (status == PKM_OK && pkm_file_exists(path)) {
        status = take_settings(&facts, path);
        if (status == PKM_OK)
            status = take_size(&facts, dir);
    }
    if (status == PKM_OK)
        *out = facts;
    else
        pkm_run_facts_release(&facts);
    pkm_free(path);
    return status;
}

void pkm_run_facts_release(pkm_run_facts *facts)
{
    for (int i = 0; facts->settings != NULL && i < pkm_train_option_table()->count; i++)
        pkm_free(facts->settings[i]);
    pkm_free(facts->settings);
    *facts = (pkm_run_facts){0};
}

bool pkm_run_facts_differ(const pkm_run_facts *facts, int n_runs, int row)
{
    const char *first = NULL;

    for (int i = 0; i < n_runs; i++) {
        const char *text = facts[i].settings[row];

        if (first != NULL && text != NULL && strcmp(first, text) != 0)
            return true;
        if (first == NULL)
            first = text;
    }
    return false;
}
