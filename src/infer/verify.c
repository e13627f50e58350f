/* SPDX-License-Identifier: Apache-2.0 */
/* pkm_verify: what a path holds, and each part of it read as whoever uses it would. */
#include "pkm/verify.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "format/json.h"
#include "format/manifest.h"
#include "models/model.h"
#include "models/model_dir.h"
#include "pkm/data.h"
#include "text/data_meta.h"
#include "train/checkpoint.h"
#include "train/health.h"
#include "train/plan.h"
#include "train/run_folder.h"

typedef struct verification {
    pkm_verify_sink sink;
    void *user;
    pkm_status status; /* of the first part that is not whole */
    pkm_error_copy error;
} verification;

static void report(verification *v, const char *kind, const char *path, pkm_status status)
{
    pkm_verify_part part = {kind, path, status, status == PKM_OK ? "" : pkm_last_error()};

    if (status != PKM_OK && v->status == PKM_OK) {
        v->status = status;
        pkm_error_keep(&v->error);
    }
    if (v->sink != NULL)
        v->sink(&part, v->user);
}

/* ---- models and checkpoints ---- */

static pkm_status check_tokenizer(const char *path)
{
    pkm_tokenizer *tokenizer;

    PKM_TRY(pkm_tokenizer_load(&tokenizer, path));
    pkm_tokenizer_destroy(tokenizer);
    return PKM_OK;
}

/* Loading has looked at every tensor but the tables, which are read where they lie. */
static pkm_status check_tables(const pkm_gpt *gpt, const char *dir)
{
    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);

        if (param->spec.role == PKM_PARAM_ROWS && pkm_health_check_param(param) != PKM_OK) {
            pkm_error_prefix("%s", dir);
            return PKM_ERR_NUMERIC;
        }
    }
    return PKM_OK;
}

static pkm_status check_model(const char *dir)
{
    pkm_model *model;
    pkm_status status;

    PKM_TRY(pkm_model_dir_verify(dir, PKM_VERIFY_FULL));
    PKM_TRY(pkm_model_load(&model, dir, NULL));
    status = check_tables(model->gpt, dir);
    pkm_model_destroy(model);
    return status;
}

/* Weights and moments, as a training that resumes would load them. */
static pkm_status check_tensors(const char *dir)
{
    pkm_gpt_config config;
    size_t bytes;
    pkm_gpt *gpt;
    pkm_status status;

    PKM_TRY(pkm_model_dir_load_config(&config, dir));
    PKM_TRY(pkm_gpt_bytes(&config, true, &bytes));
    PKM_TRY(pkm_train_check_memory(bytes));
    PKM_TRY(pkm_gpt_create(&gpt, &config, true));
    status = pkm_checkpoint_load_tensors(gpt, dir);
    if (status == PKM_OK) {
        status = pkm_health_check(gpt);
        if (status != PKM_OK)
            pkm_error_prefix("%s", dir);
    }
    pkm_gpt_destroy(gpt);
    return status;
}

/* *log_bytes = length of the log that it knows of. */
static pkm_status check_checkpoint(const char *dir, int64_t *log_bytes)
{
    pkm_train_state state;

    PKM_TRY(pkm_checkpoint_load_state(&state, dir, PKM_VERIFY_FULL));
    *log_bytes = state.metrics_bytes;
    pkm_train_state_release(&state);
    PKM_TRY(check_tokenizer(dir));
    return check_tensors(dir);
}

/* ---- runs ---- */

/* `best` and `last` name a checkpoint that is there. */
static pkm_status check_pointer(const char *path)
{
    char *manifest;
    bool found;

    PKM_TRY(pkm_model_dir_path(&manifest, path, PKM_MANIFEST_NAME));
    found = pkm_file_exists(manifest);
    if (!found)
        pkm_fail(PKM_ERR_FORMAT, "%s: names a checkpoint without %s", path, manifest);
    pkm_free(manifest);
    return found ? PKM_OK : PKM_ERR_FORMAT;
}

/* The checkpoints know of `expected` bytes: a last line behind them that has no end is of a process
 * that was killed, and goes when the run is resumed. */
static pkm_status check_lines(const char *text, size_t bytes, size_t expected, const char *path)
{
    int64_t number = 1;
    size_t length;

    for (const char *line = text; line < text + bytes; line += length + 1, number++) {
        const char *end = memchr(line, '\n', (size_t)(text + bytes - line));
        json_t *object;
        pkm_status status;

        if (end == NULL && line >= text + expected)
            return PKM_OK;
        if (end == NULL)
            return pkm_fail(PKM_ERR_FORMAT, "%s: line %lld has no end", path, (long long)number);
        length = (size_t)(end - line);
        status = pkm_json_parse(&object, line, length, path);
        if (status != PKM_OK) {
            pkm_error_prefix("line %lld", (long long)number);
            return status;
        }
        json_decref(object);
    }
    return PKM_OK;
}

static pkm_status check_log(const char *path, int64_t expected)
{
    char *text;
    size_t bytes;
    pkm_status status;

    PKM_TRY(pkm_file_read(&text, &bytes, path, PTRDIFF_MAX));
    if ((int64_t)bytes < expected)
        status = pkm_fail(PKM_ERR_FORMAT, "%s: %zu bytes, the newest checkpoint knows of %lld",
                          path, bytes, (long long)expected);
    else
        status = check_lines(text, bytes, (size_t)expected, path);
    pkm_free(text);
    return status;
}

static bool same_content(const pkm_file_map *a, const pkm_file_map *b)
{
    return a->size_bytes == b->size_bytes &&
           (a->size_bytes == 0 || memcmp(a->data, b->data, a->size_bytes) == 0);
}

static pkm_status same_file(const char *a, const char *b, const char *name)
{
    char *path_a, *path_b = NULL;
    pkm_file_map map_a = {0}, map_b = {0};
    pkm_status status;

    PKM_TRY(pkm_path_join(&path_a, a, name));
    status = pkm_model_dir_path(&path_b, b, name);
    if (status == PKM_OK)
        status = pkm_file_map_open(&map_a, path_a, 0);
    if (status == PKM_OK)
        status = pkm_file_map_open(&map_b, path_b, 0);
    if (status == PKM_OK && !same_content(&map_a, &map_b))
        status = pkm_fail(PKM_ERR_FORMAT, "%s: differs from %s", path_a, path_b);
    pkm_file_map_close(&map_a);
    pkm_file_map_close(&map_b);
    pkm_free(path_a);
    pkm_free(path_b);
    return status;
}

/* The published model is that of the checkpoint that `last` names, and loads. */
static pkm_status check_published(const char *dir, const char *last)
{
    PKM_TRY(same_file(dir, last, "config.json"));
    PKM_TRY(same_file(dir, last, "tokenizer.json"));
    PKM_TRY(same_file(dir, last, "model.safetensors"));
    return check_model(dir);
}

/* Reports a file or folder of the run, if it is there. */
static pkm_status verify_pointers(verification *v, const pkm_run_folder *folder)
{
    static const char *const names[] = {"best", "last"};

    for (int i = 0; i < 2; i++) {
        char *path;

        PKM_TRY(pkm_path_join(&path, folder->checkpoints, names[i]));
        if (i == 1 || pkm_file_exists(path)) /* without an evaluation there is no best */
            report(v, "pointer", path, check_pointer(path));
        if (i == 1)
            report(v, "model", folder->dir, check_published(folder->dir, path));
        pkm_free(path);
    }
    return PKM_OK;
}

static pkm_status verify_steps(verification *v, const pkm_run_folder *folder, const int64_t *steps,
                               size_t count)
{
    int64_t log_bytes = 0, bytes;
    char *path;

    for (size_t i = count; i-- > 0;) {
        PKM_TRY(pkm_run_folder_step(folder, &path, steps[i]));
        bytes = 0;
        report(v, "checkpoint", path, check_checkpoint(path, &bytes));
        log_bytes = bytes > log_bytes ? bytes : log_bytes;
        pkm_free(path);
    }
    PKM_TRY(verify_pointers(v, folder));
    PKM_TRY(pkm_path_join(&path, folder->dir, PKM_METRICS_NAME));
    report(v, "log", path, check_log(path, log_bytes));
    pkm_free(path);
    return PKM_OK;
}

static pkm_status verify_run(verification *v, const char *dir, char *checkpoints)
{
    /* Only looked at: neither locked nor tidied. */
    pkm_run_folder folder = {.checkpoints = checkpoints, .lock = -1};
    int64_t *steps;
    size_t count;
    pkm_status status;

    PKM_TRY(pkm_string_copy(&folder.dir, dir));
    status = pkm_run_folder_steps(&folder, &steps, &count);
    if (status == PKM_OK) {
        if (count == 0)
            report(v, "run", dir, pkm_fail(PKM_ERR_STATE, "%s: holds no checkpoint", dir));
        else
            status = verify_steps(v, &folder, steps, count);
        pkm_free(steps);
    }
    pkm_free(folder.dir);
    return status;
}

/* ---- whatever it is ---- */

static pkm_status check_weights(const char *path)
{
    pkm_st_reader *reader;

    PKM_TRY(pkm_st_open(&reader, path, false));
    pkm_st_close(reader);
    return PKM_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text), end_bytes = strlen(end);

    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

static pkm_status verify_file(verification *v, const char *path)
{
    int64_t unused;
    size_t bytes;
    char *folder;
    int fd;

    PKM_TRY(pkm_file_open(&fd, &bytes, path, 0)); /* what is no file is not looked at */
    pkm_io()->close(fd);
    if (ends_with(path, ".safetensors")) {
        report(v, "weights", path, check_weights(path));
        return PKM_OK;
    }
    if (ends_with(path, ".json")) {
        report(v, "tokenizer", path, check_tokenizer(path));
        return PKM_OK;
    }
    PKM_TRY(pkm_model_dir_path(&folder, path, ""));
    report(v, "checkpoint", path, check_checkpoint(folder, &unused));
    pkm_free(folder);
    return PKM_OK;
}

/* The ids mean what they were made to mean. */
static pkm_status check_data_tokenizer(const char *dir)
{
    pkm_tokenizer *tokenizer;
    pkm_data *data;
    pkm_status status;

    if (pkm_data_open(&data, dir, PKM_SPLIT_TRAIN) != PKM_OK)
        return check_tokenizer(dir); /* the set's own part says why */
    status = pkm_tokenizer_load(&tokenizer, dir);
    if (status == PKM_OK) {
        if (strcmp(pkm_tokenizer_hash(tokenizer), pkm_data_tokenizer_hash(data)) != 0)
            status =
                pkm_fail(PKM_ERR_FORMAT,
                         "%s: the data set was made with another tokenizer than is there", dir);
        pkm_tokenizer_destroy(tokenizer);
    }
    pkm_data_close(data);
    return status;
}

static bool holds(const char *dir, const char *name)
{
    char *path;
    bool found = false;

    if (pkm_path_join(&path, dir, name) == PKM_OK) {
        found = pkm_file_exists(path);
        pkm_free(path);
    }
    return found;
}

static pkm_status verify_folder(verification *v, const char *dir)
{
    int64_t unused;

    if (holds(dir, PKM_MANIFEST_NAME)) {
        report(v, "checkpoint", dir, check_checkpoint(dir, &unused));
    } else if (holds(dir, PKM_DATA_META_NAME)) {
        report(v, "data set", dir, pkm_data_verify(dir, NULL, NULL));
        report(v, "tokenizer", dir, check_data_tokenizer(dir));
    } else if (holds(dir, "config.json")) {
        report(v, "model", dir, check_model(dir));
    } else if (holds(dir, "tokenizer.json")) {
        report(v, "tokenizer", dir, check_tokenizer(dir));
    } else {
        return pkm_fail(PKM_ERR_ARG, "%s: holds no run, checkpoint, model, data set or tokenizer",
                        dir);
    }
    return PKM_OK;
}

pkm_status pkm_verify(const char *path, pkm_verify_sink sink, void *user)
{
    verification v = {.sink = sink, .user = user};
    char *checkpoints;
    pkm_status status;

    PKM_TRY(pkm_path_join(&checkpoints, path, "checkpoints"));
    if (pkm_directory_exists(checkpoints))
        status = verify_run(&v, path, checkpoints);
    else if (pkm_directory_exists(path))
        status = verify_folder(&v, path);
    else
        status = verify_file(&v, path);
    pkm_free(checkpoints);
    PKM_TRY(status);
    if (v.status != PKM_OK)
        pkm_error_restore(&v.error);
    return v.status;
}
