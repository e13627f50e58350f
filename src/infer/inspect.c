/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is, from its headers alone: no weight is read. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "memory/memory_config.h"
#include "models/model.h"
#include "models/model_dir.h"

/* {"name", "dtype", "shape", "bytes"}; NULL if memory is out. */
static json_t *tensor_json(const pkm_st_tensor *tensor)
{
    json_t *shape = json_array();

    for (int i = 0; i < tensor->n_dims; i++)
        if (json_array_append_new(shape, json_integer(tensor->dims[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:s, s:o, s:I}", "name", tensor->name, "dtype", tensor->dtype, "shape",
                     shape, "bytes", (json_int_t)tensor->bytes);
}

static json_t *tensors_json(const pkm_st_reader *weights)
{
    json_t *list = json_array();

    for (int64_t i = 0; i < pkm_st_count(weights); i++)
        if (json_array_append_new(list, tensor_json(pkm_st_at(weights, i))) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* The element of the list (NULL: none) whose "layer" is this. */
static json_t *find_layer(const json_t *list, int64_t layer)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *entry = json_array_get(list, i), *number = json_object_get(entry, "layer");

        if (json_is_integer(number) && json_integer_value(number) == layer)
            return entry;
    }
    return NULL;
}

/* Per memory layer its table, and how it was read in the run's last evaluation, if known. */
static json_t *memory_json(const pkm_gpt_config *config, const json_t *usage)
{
    json_t *list = json_array();

    for (int i = 0; i < config->memory_layers.count; i++) {
        int64_t layer = config->memory_layers.value[i];
        pkm_gpt_name values;
        json_t *known = find_layer(usage, layer);
        json_t *entry = json_pack("{s:I, s:I, s:s}", "layer", (json_int_t)layer, "slots",
                                  (json_int_t)pkm_memory_slots(&config->memory), "values",
                                  pkm_gpt_values_name(&values, config->shared_values ? 0 : i));

        /* It is for drawing, and would fill a screen here. */
        if (known != NULL)
            (void)json_object_del(known, "mass_curve");
        if ((known != NULL && json_object_update_missing(entry, known) != 0) ||
            json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* The usage in one line of metrics.jsonl, or NULL. */
static json_t *usage_in(const char *line, size_t bytes)
{
    json_t *root = NULL, *usage;

    if (memmem(line, bytes, "\"memory\"", 8) == NULL ||
        pkm_json_parse(&root, line, bytes, "metrics.jsonl") != PKM_OK)
        return NULL;
    usage = json_incref(json_object_get(root, "memory"));
    json_decref(root);
    return usage;
}

/* The end of a file of lines: all of it, or the last megabytes. */
static pkm_status read_tail(char **out, size_t *bytes, const char *path)
{
    static const size_t most = (size_t)16 << 20;
    size_t size;
    pkm_status status;
    int fd;

    PKM_TRY(pkm_file_open(&fd, &size, path, 0));
    *bytes = size < most ? size : most;
    status = pkm_alloc((void **)out, *bytes, path);
    if (status == PKM_OK && lseek(fd, (off_t)(size - *bytes), SEEK_SET) < 0)
        status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot seek", path);
    if (status == PKM_OK)
        status = pkm_file_fill(fd, *out, *bytes, path);
    pkm_io()->close(fd);
    return status;
}

/* The usage of the last evaluation in dir/metrics.jsonl; *out NULL if there is none. */
static pkm_status last_usage(json_t **out, const char *dir)
{
    char *path, *text = NULL;
    size_t bytes = 0;
    pkm_status status = PKM_OK;

    *out = NULL;
    PKM_TRY(pkm_model_dir_path(&path, dir, "metrics.jsonl"));
    if (pkm_file_exists(path)) {
        status = read_tail(&text, &bytes, path);
        for (size_t end = bytes; status == PKM_OK && end > 0 && *out == NULL;) {
            const char *newline = memrchr(text, '\n', end - 1);
            size_t start = newline == NULL ? 0 : (size_t)(newline - text) + 1;

            *out = usage_in(text + start, end - start);
            end = start;
        }
    }
    pkm_free(text);
    pkm_free(path);
    return status;
}

static int64_t count_values(const pkm_gpt *gpt)
{
    int64_t total = 0;

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);

        if (param->spec.role == PKM_PARAM_ROWS)
            total += param->count;
    }
    return total;
}

/* The step that the weights are of; null if the file does not say. */
static json_t *step_json(const pkm_st_reader *weights)
{
    const char *text = pkm_st_metadata(weights, "pkm_step");
    char *end;
    long long step;

    if (text == NULL || *text == '\0')
        return json_null();
    step = strtoll(text, &end, 10);
    return *end == '\0' ? json_integer(step) : json_null();
}

static json_t *report(const pkm_gpt *gpt, const pkm_st_reader *weights, const json_t *usage)
{
    int64_t parameters = pkm_gpt_parameters(gpt), values = count_values(gpt);

    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "parameters", (json_int_t)parameters,
                     "dense_parameters", (json_int_t)(parameters - values), "value_parameters",
                     (json_int_t)values, "step", step_json(weights), "config",
                     pkm_model_dir_config_json(&gpt->config, NULL), "memory",
                     memory_json(&gpt->config, usage), "tensors", tensors_json(weights));
}

pkm_status pkm_model_inspect(const char *dir, char **out)
{
    pkm_st_reader *weights = NULL;
    pkm_gpt *gpt = NULL;
    json_t *root = NULL, *usage = NULL;
    pkm_strbuf text = {0};
    pkm_status status = pkm_model_dir_describe(&gpt, &weights, dir);

    if (status == PKM_OK)
        status = last_usage(&usage, dir);
    if (status == PKM_OK) {
        root = report(gpt, weights, usage);
        status = root == NULL ? pkm_json_no_memory() : pkm_json_append(&text, root, JSON_INDENT(2));
    }
    json_decref(usage);
    json_decref(root);
    pkm_gpt_destroy(gpt);
    pkm_st_close(weights);
    if (status != PKM_OK) {
        pkm_strbuf_release(&text);
        return status;
    }
    *out = text.data;
    return PKM_OK;
}
