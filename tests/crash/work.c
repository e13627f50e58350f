/* SPDX-License-Identifier: Apache-2.0 */
#include "crash/work.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "support/same_tree.h"

enum { PATH_BYTES = 4096, MAX_FILE_BYTES = 1 << 30 };

const char *work_name(work_kind kind)
{
    static const char *const names[WORK_KINDS] = {"tokenizer", "data", "train-f32", "train-bf16"};

    return names[kind];
}

static int note(const pkm_train_event *event, void *user)
{
    work_report *report = user;

    if (event->kind == PKM_EVENT_PLAN)
        report->started = event->step;
    if (event->kind == PKM_EVENT_CHECKPOINT)
        report->saved = event->step;
    return 0;
}

static pkm_status train(work_kind kind, const small_world *world, const char *out, int threads,
                        int keep, work_report *report)
{
    const char *precision = kind == WORK_F32 ? "f32" : "bf16";
    char threads_text[16], keep_text[16];
    const char *const options[] = {"precision",        precision,    "value_dtype", precision,
                                   "grad_accum",       "2",          "eval_every",  "7",
                                   "threads",          threads_text, "seed",        "7",
                                   "keep_checkpoints", keep_text,    NULL};

    snprintf(threads_text, sizeof threads_text, "%d", threads);
    snprintf(keep_text, sizeof keep_text, "%d", keep);
    return small_train_watched(world, out, true, note, report, options);
}

static pkm_status train_tokenizer(const char *const *texts, const char *out)
{
    const pkm_tokenizer_train_config config = {.vocab_size = 300};
    pkm_tokenizer *tokenizer;
    pkm_status status;

    PKM_TRY(pkm_tokenizer_train(&tokenizer, texts, 1, &config));
    status = pkm_tokenizer_save(tokenizer, out);
    pkm_tokenizer_destroy(tokenizer);
    return status;
}

/* Several shards of each side. A set that is whole already is refused: the work is done. */
static pkm_status make_data(const char *const *texts, const small_world *world, const char *out)
{
    const pkm_data_config config = {.val_fraction = 0.2, .shard_tokens = 20000};
    pkm_data_summary summary;
    pkm_tokenizer *tokenizer;
    char meta[PATH_BYTES];
    pkm_status status;

    snprintf(meta, sizeof meta, "%s/meta.json", out);
    PKM_TRY(pkm_tokenizer_load(&tokenizer, world->data));
    status = pkm_data_prepare(&summary, out, tokenizer, texts, 1, &config);
    pkm_tokenizer_destroy(tokenizer);
    return status == PKM_ERR_STATE && pkm_file_exists(meta) ? PKM_OK : status;
}

pkm_status work_do(work_kind kind, const small_world *world, const char *out, int threads, int keep,
                   work_report *report)
{
    char text[PATH_BYTES];
    const char *texts[] = {text};

    snprintf(text, sizeof text, "%s/text", world->dir);
    PKM_TRY(pkm_threads_set(threads));
    if (kind == WORK_TOKENIZER)
        return train_tokenizer(texts, out);
    if (kind == WORK_DATA)
        return make_data(texts, world, out);
    return train(kind, world, out, threads, keep, report);
}

/* The folder of an entry, if it is a checkpoint under its final name. */
static bool is_step(char path[PATH_BYTES], const char *run, const char *name)
{
    snprintf(path, PATH_BYTES, "%s/checkpoints/%s", run, name);
    return strncmp(name, "step-", 5) == 0 && strstr(name, ".tmp-") == NULL;
}

static bool holds(const char *path, const char *want, size_t bytes)
{
    char *data;
    size_t got;
    bool same;

    if (pkm_file_read(&data, &got, path, MAX_FILE_BYTES) != PKM_OK)
        return false;
    same = got == bytes && memcmp(data, want, bytes) == 0;
    pkm_free(data);
    return same;
}

/* Every checkpoint is whole, and the published model is that of some checkpoint. */
static bool run_is_sound(const char *out, const char *whole)
{
    char path[PATH_BYTES], other[PATH_BYTES], *model = NULL;
    size_t bytes = 0;
    bool sound = true, known;
    DIR *stream;

    snprintf(path, sizeof path, "%s/checkpoints", out);
    if (!pkm_directory_exists(path))
        return true;
    stream = opendir(path);
    while (sound) {
        struct dirent *entry = readdir(stream);

        if (entry == NULL)
            break;
        if (is_step(path, out, entry->d_name)) {
            (void)is_step(other, whole, entry->d_name);
            sound = same_tree(other, path, true);
        }
    }
    closedir(stream);
    snprintf(path, sizeof path, "%s/model.safetensors", out);
    if (!sound || pkm_file_read(&model, &bytes, path, MAX_FILE_BYTES) != PKM_OK)
        return sound;
    snprintf(path, sizeof path, "%s/checkpoints", whole);
    stream = opendir(path);
    known = false;
    while (!known) {
        struct dirent *entry = readdir(stream);

        if (entry == NULL)
            break;
        if (is_step(path, whole, entry->d_name)) {
            snprintf(other, sizeof other, "%s/model.safetensors", path);
            known = holds(other, model, bytes);
        }
    }
    closedir(stream);
    pkm_free(model);
    if (!known)
        fprintf(stderr, "%s/model.safetensors: is that of no checkpoint\n", out);
    return known;
}

bool work_is_sound(work_kind kind, const char *out, const char *whole)
{
    if (!pkm_directory_exists(out))
        return true;
    return kind >= WORK_F32 ? run_is_sound(out, whole) : same_tree(whole, out, false);
}

pkm_status work_load(work_kind kind, const char *out)
{
    char path[PATH_BYTES];
    pkm_model *model = NULL;
    pkm_status status = PKM_OK;

    snprintf(path, sizeof path, "%s/model.safetensors", out);
    if (kind >= WORK_F32 && pkm_file_exists(path))
        status = pkm_model_load(&model, out, NULL);
    pkm_model_destroy(model);
    return status;
}
