/* SPDX-License-Identifier: Apache-2.0 */
#include "support/operations.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "format/json.h"
#include "support/check.h"
#include "support/run.h"
#include "support/state.h"
#include "train/save.h"

/* ---- the world: a text, its data, a run at step 2, its copy under fire ---- */

static char *dir, *text, *data, *origin, *run, *made;
static pkm_option_set *options;
static pkm_tokenizer *tokenizer;
static pkm_trainer *trainer;   /* of the operation under fire */
static pkm_trainer *before;    /* stays at step 2 */
static pkm_trainer *after;     /* stays at step 3 */
static model_state at_2, at_3; /* what they hold */
static int warnings;
static bool gathered; /* the step under fire came to its second half */

static char *in_dir(const char *name)
{
    char *path;

    check_ok(pkm_path_join(&path, dir, name));
    return path;
}

static int count_warnings(const pkm_train_event *event, void *user)
{
    (void)user;
    warnings += event->kind == PKM_EVENT_WARNING;
    return 0;
}

static pkm_status open_trainer(pkm_trainer **out, const char *folder)
{
    pkm_train_paths paths = {.data = data, .tokenizer = data, .out = folder, .resume = true};

    warnings = 0;
    return pkm_trainer_create(out, &paths, options, count_warnings, NULL);
}

static pkm_status take_step(pkm_trainer *of)
{
    pkm_step_result result;

    PKM_TRY(pkm_trainer_gather(of, &result));
    PKM_TRY(pkm_trainer_update(of, &result));
    of->state.step++;
    of->state.tokens += of->plan.tokens_per_step;
    return PKM_OK;
}

static void copy_into(const char *from, const char *to)
{
    pkm_names names;

    check_ok(pkm_directory_create(to));
    check_ok(pkm_directory_list(&names, from));
    for (size_t i = 0; i < names.count; i++) {
        pkm_file_map content;
        char *source, *target;

        check_ok(pkm_path_join(&source, from, names.name[i]));
        check_ok(pkm_path_join(&target, to, names.name[i]));
        if (pkm_directory_exists(source)) {
            copy_into(source, target);
        } else {
            check_ok(pkm_file_map_open(&content, source, 0));
            check_ok(pkm_file_write(target, content.data, content.size_bytes));
            pkm_file_map_close(&content);
        }
        pkm_free(source);
        pkm_free(target);
    }
    pkm_names_release(&names);
}

static void copy_tree(const char *from, const char *to)
{
    check_ok(pkm_directory_remove(to));
    copy_into(from, to);
}

static void write_text(void)
{
    char sentence[64];
    char *path = in_dir("text.txt");
    pkm_writer *writer;

    check_ok(pkm_writer_create(&writer, path));
    for (int i = 0; i < 60; i++) {
        int bytes = snprintf(sentence, sizeof sentence, "the row %d of the table reads %d.\n",
                             i % 7, i * i % 31);

        check_ok(pkm_writer_write(writer, sentence, (size_t)bytes));
    }
    check_ok(pkm_writer_commit(writer));
    pkm_writer_destroy(writer);
    text = path;
}

static pkm_status prepare_data(const char *folder)
{
    pkm_data_config config = {.val_fraction = 0.3};
    pkm_data_summary summary;

    return pkm_data_prepare(&summary, folder, tokenizer, (const char *const *)&text, 1, &config);
}

static pkm_status train_tokenizer(pkm_tokenizer **out)
{
    pkm_tokenizer_train_config config = {.vocab_size = 264};

    return pkm_tokenizer_train(out, (const char *const *)&text, 1, &config);
}

void operations_create(void)
{
    static const char *const tiny[] = {"layers",
                                       "1",
                                       "dim",
                                       "16",
                                       "seq_len",
                                       "8",
                                       "batch",
                                       "2",
                                       "key_dim",
                                       "8",
                                       "steps",
                                       "3",
                                       "memory_layers",
                                       "0",
                                       "eval_every",
                                       "3",
                                       "checkpoint_every",
                                       "1",
                                       "threads",
                                       "1",
                                       "keep_checkpoints",
                                       "2",
                                       "tensorboard",
                                       "true",
                                       NULL};
    bool saved;

    check_ok(pkm_threads_set(1));
    dir = temp_create();
    data = in_dir("data");
    origin = in_dir("origin");
    run = in_dir("run");
    made = in_dir("made");
    write_text();
    check_ok(train_tokenizer(&tokenizer));
    check_ok(prepare_data(data));
    options = small_options(tiny);
    check_ok(open_trainer(&trainer, origin));
    for (int i = 0; i < 2; i++) {
        check_ok(take_step(trainer));
        check_ok(pkm_trainer_save(trainer, true, &saved));
    }
    pkm_trainer_destroy(trainer);
    trainer = NULL;
    copy_tree(origin, run);
    check_ok(open_trainer(&before, run));
    state_keep(&at_2, before->gpt);
    copy_tree(origin, made);
    check_ok(open_trainer(&after, made));
    check_ok(take_step(after));
    state_keep(&at_3, after->gpt);
}

void operations_destroy(void)
{
    state_release(&at_2);
    state_release(&at_3);
    pkm_trainer_destroy(before);
    pkm_trainer_destroy(after);
    pkm_options_destroy(options);
    pkm_tokenizer_destroy(tokenizer);
    pkm_free(text);
    pkm_free(data);
    pkm_free(origin);
    pkm_free(run);
    pkm_free(made);
    temp_remove(dir);
}

/* ---- what must hold ---- */

/* The model of a trainer is, to the bit, that of the run after its step. */
static void check_model(const pkm_trainer *of)
{
    model_state now;

    state_keep(&now, of->gpt);
    check_models_same(&now, of->state.step == 2 ? &at_2 : &at_3);
    state_release(&now);
}

static bool holds(const char *path, const char *part)
{
    pkm_names names;
    bool found = false;

    check_ok(pkm_directory_list(&names, path));
    for (size_t i = 0; i < names.count; i++)
        found |= strstr(names.name[i], part) != NULL;
    pkm_names_release(&names);
    return found;
}

/* The run goes on from step `least` or 3, with its bits, and is tidy then. */
static void check_resumes(int64_t least)
{
    char *checkpoints;
    pkm_trainer *again;

    check_ok(pkm_path_join(&checkpoints, run, "checkpoints"));
    check_ok(open_trainer(&again, run));
    assert_int_equal(warnings, 0);
    assert_in_range(again->state.step, least, 3);
    if (again->state.step == 2 || again->state.step == 3)
        check_model(again);
    pkm_trainer_destroy(again);
    assert_false(holds(run, ".tmp-"));
    assert_false(holds(checkpoints, ".tmp-"));
    assert_false(holds(checkpoints, "damaged"));
    pkm_free(checkpoints);
}

/* ---- operations ---- */

static void fresh_run(void)
{
    copy_tree(origin, run);
}

static void fresh_trainer(void)
{
    copy_tree(origin, run);
    check_ok(open_trainer(&trainer, run));
}

static void at_step_3(void)
{
    fresh_trainer();
    check_ok(take_step(trainer));
}

static void close_trainer(void)
{
    pkm_trainer_destroy(trainer);
    trainer = NULL;
}

static pkm_status save(void)
{
    bool saved;

    return pkm_trainer_save(trainer, true, &saved);
}

static void check_save(pkm_status status, bool tidy)
{
    char *checkpoints = in_dir("run/checkpoints");

    close_trainer();
    if (tidy)
        assert_false(holds(checkpoints, ".tmp-"));
    pkm_free(checkpoints);
    check_resumes(status == PKM_OK ? 3 : 2);
}

static pkm_status resume(void)
{
    return open_trainer(&trainer, run);
}

static void check_resume(pkm_status status, bool tidy)
{
    (void)tidy;
    if (status == PKM_OK)
        check_model(trainer);
    close_trainer();
    check_resumes(2);
}

static pkm_status step(void)
{
    pkm_step_result result;

    gathered = false;
    PKM_TRY(pkm_trainer_gather(trainer, &result));
    gathered = true;
    PKM_TRY(pkm_trainer_update(trainer, &result));
    trainer->state.step++;
    return PKM_OK;
}

/* Until it is applied, a step that fails leaves no trace and can be taken again. */
static void check_step(pkm_status status, bool tidy)
{
    (void)tidy;
    if (status == PKM_OK || !gathered)
        check_model(trainer);
    if (!gathered) {
        check_ok(step());
        check_model(trainer);
    }
    close_trainer();
    check_resumes(2);
}

static void no_run(void)
{
    check_ok(pkm_directory_remove(run));
}

static pkm_status train_whole(void)
{
    pkm_train_paths paths = {.data = data, .tokenizer = data, .out = run};
    pkm_train_result result;

    warnings = 0;
    return pkm_train(&result, &paths, options, count_warnings, NULL);
}

/* A log has whole lines only. */
static void check_log(void)
{
    char *path = in_dir("run/metrics.jsonl"), *log;
    size_t bytes, line;

    check_ok(pkm_file_read(&log, &bytes, path, 1 << 20));
    for (const char *at = log; *at != '\0'; at += line + 1) {
        json_t *object;

        line = strcspn(at, "\n");
        check_ok(pkm_json_parse(&object, at, line, path));
        json_decref(object);
        assert_int_equal(at[line], '\n');
    }
    pkm_free(log);
    pkm_free(path);
}

/* What is there goes on, to the bits of a run without a fault. */
static void check_train(pkm_status status, bool tidy)
{
    pkm_train_paths paths = {.data = data, .tokenizer = data, .out = run, .resume = true};
    pkm_train_result result;

    (void)tidy;
    if (status != PKM_OK)
        check_ok(pkm_train(&result, &paths, options, count_warnings, NULL));
    check_log();
    check_resumes(3);
}

static void nothing(void)
{
}

static int drop_text(const char *part, size_t bytes, void *user)
{
    (void)part;
    (void)bytes;
    (void)user;
    return 0;
}

static pkm_status generate_from(pkm_model *model)
{
    pkm_generate_config config = {.max_tokens = 3, .top_p = 1};

    return pkm_model_generate(model, "the row", 7, &config, drop_text, NULL, NULL);
}

static pkm_status generate(void)
{
    pkm_model *model;
    pkm_status status;

    PKM_TRY(pkm_model_load(&model, origin, NULL));
    status = generate_from(model);
    pkm_model_destroy(model);
    return status;
}

static pkm_status inspect(void)
{
    char *out;

    PKM_TRY(pkm_model_inspect(origin, &out));
    pkm_text_free(out);
    return PKM_OK;
}

static void check_load(pkm_status status, bool tidy)
{
    (void)tidy;
    if (status != PKM_OK)
        check_ok(generate());
}

static void nothing_made(void)
{
    check_ok(pkm_directory_remove(made));
}

static pkm_status make_data(void)
{
    return prepare_data(made);
}

/* A data set is there whole or not at all, and can be made then. */
static void check_data(pkm_status status, bool tidy)
{
    pkm_data *set;

    if (status != PKM_OK) {
        if (!pkm_directory_exists(made) || !holds(made, "meta.json"))
            check_ok(prepare_data(made));
    }
    check_ok(pkm_data_open(&set, made, PKM_SPLIT_TRAIN));
    assert_string_equal(pkm_data_hash(set), pkm_data_hash(before->train_data));
    pkm_data_close(set);
    if (tidy)
        assert_false(holds(made, ".tmp-"));
}

static pkm_status make_tokenizer(void)
{
    pkm_tokenizer *learnt;
    pkm_status status;

    PKM_TRY(train_tokenizer(&learnt));
    status = pkm_tokenizer_save(learnt, made);
    pkm_tokenizer_destroy(learnt);
    return status;
}

static void check_tokenizer(pkm_status status, bool tidy)
{
    pkm_tokenizer *loaded;

    (void)tidy;
    if (status != PKM_OK) {
        if (!pkm_directory_exists(made) || !holds(made, "tokenizer.json"))
            check_ok(make_tokenizer());
    }
    check_ok(pkm_tokenizer_load(&loaded, made));
    assert_string_equal(pkm_tokenizer_hash(loaded), pkm_tokenizer_hash(tokenizer));
    pkm_tokenizer_destroy(loaded);
}

const operation operations[N_OPERATIONS] = {
    {"save", at_step_3, save, check_save, false},
    {"resume", fresh_run, resume, check_resume, false},
    {"step", fresh_trainer, step, check_step, false},
    {"train", no_run, train_whole, check_train, true},
    {"generate", nothing, generate, check_load, false},
    {"inspect", nothing, inspect, check_load, false},
    {"data", nothing_made, make_data, check_data, false},
    {"tokenizer", nothing_made, make_tokenizer, check_tokenizer, false},
};

const operation *operation_find(const char *name)
{
    for (int i = 0; i < N_OPERATIONS; i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    fail_msg("no operation '%s'", name);
    return NULL;
}

const char *operations_dir(void)
{
    return dir;
}

int operations_warnings(void)
{
    return warnings;
}

void operations_abort(void)
{
    close_trainer();
}
