/* SPDX-License-Identifier: Apache-2.0 */
/* What a run may be resumed with, what it is refused with, and what it says about it. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "format/manifest.h"
#include "support/check.h"
#include "support/run.h"
#include "support/same_tree.h"

static small_world world;

/* What a training told; and whether to stop it. */
typedef struct heard {
    char warnings[1024];
    int64_t from, steps; /* step it went on from; steps taken */
    int64_t stop_at;     /* 0: never */
} heard;

static int listen(const pkm_train_event *event, void *user)
{
    heard *out = user;
    size_t used = strlen(out->warnings);

    if (event->kind == PKM_EVENT_PLAN)
        out->from = event->step;
    if (event->kind == PKM_EVENT_WARNING)
        snprintf(out->warnings + used, sizeof out->warnings - used, "%s\n", event->path);
    out->steps += event->kind == PKM_EVENT_STEP;
    return event->kind == PKM_EVENT_STEP && event->step == out->stop_at;
}

static pkm_status resume_on(const small_world *data, const char *run, heard *out,
                            const char *const *options)
{
    char *path = small_world_run(data, run);
    pkm_status status = small_train_watched(data, path, true, listen, out, options);

    pkm_free(path);
    return status;
}

static pkm_status resume(const char *run, heard *out, const char *const *options)
{
    return resume_on(&world, run, out, options);
}

/* A run of this name, stopped after step 7 of 12. */
static void begin(const char *run)
{
    heard first = {.stop_at = 7};

    check_fails(resume(run, &first, NULL), PKM_ERR_CANCELLED, "step 7", NULL);
}

static int create_world(void **state)
{
    heard nothing = {0};

    (void)state;
    small_world_create(&world);
    check_ok(resume("whole", &nothing, NULL));
    return 0;
}

static int destroy_world(void **state)
{
    (void)state;
    small_world_destroy(&world);
    return 0;
}

/* The run ended as the one that was never stopped. */
static void check_as_whole(const char *run)
{
    static const char *const files[] = {"model.safetensors", "metrics.jsonl",
                                        "checkpoints/step-00000012/optim.safetensors"};

    for (int i = 0; i < 3; i++) {
        char *want = small_run_path(&world, "whole", files[i]);
        char *got = small_run_path(&world, run, files[i]);

        assert_true(same_file(want, got));
        pkm_free(want);
        pkm_free(got);
    }
}

static void check_says(const heard *said, const char *part)
{
    if (strstr(said->warnings, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, said->warnings);
}

static void test_a_step_may_be_split_otherwise(void **state)
{
    const char *const halves[] = {"batch", "2", "grad_accum", "2", NULL};
    const char *const twice[] = {"grad_accum", "2", NULL};
    heard split = {0}, larger = {0};

    (void)state;
    begin("split");
    check_fails(resume("split", &larger, twice), PKM_ERR_ARG, "batch x grad_accum is 8", "4", NULL);
    check_ok(resume("split", &split, halves));
    check_says(&split, "batch, grad_accum changed");
    assert_int_equal(split.from, 7);
    assert_int_equal(split.steps, 5);
}

static void test_changed_options_are_told(void **state)
{
    const char *const seed[] = {"seed", "2", "lr", "0.001", "eval_every", "4", NULL};
    const char *const adagrad[] = {"value_optimizer", "adagrad", NULL};
    const char *const bf16[] = {"value_dtype", "bf16", NULL};
    heard changed = {0}, refused = {0};

    (void)state;
    begin("changed");
    check_fails(resume("changed", &refused, adagrad), PKM_ERR_ARG, "value_optimizer", NULL);
    check_fails(resume("changed", &refused, bf16), PKM_ERR_ARG, "value_dtype", NULL);
    assert_int_equal(refused.steps, 0);
    check_ok(resume("changed", &changed, seed));
    check_says(&changed, "lr, seed changed: the run goes on");
}

static void test_moved(void **state)
{
    char *from = small_world_run(&world, "here"), *to = small_world_run(&world, "there");
    heard moved = {0};

    (void)state;
    begin("here");
    assert_int_equal(rename(from, to), 0);
    check_ok(resume("there", &moved, NULL));
    assert_string_equal(moved.warnings, "");
    check_as_whole("there");
    pkm_free(from);
    pkm_free(to);
}

/* Times of files are not asked: the clock may have jumped. */
static void test_times_do_not_matter(void **state)
{
    static const char *const steps[] = {"checkpoints/step-00000005", "checkpoints/step-00000006",
                                        "checkpoints/step-00000007"};
    heard later = {0};

    (void)state;
    begin("times");
    for (int i = 0; i < 3; i++) {
        const time_t when = (time_t)4000000000 - (time_t)1500000000 * i;
        const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
        char *path = small_run_path(&world, "times", steps[i]);

        if (pkm_directory_exists(path))
            assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        pkm_free(path);
    }
    check_ok(resume("times", &later, NULL));
    assert_int_equal(later.from, 7);
    check_as_whole("times");
}

static void test_finished(void **state)
{
    const char *const fewer[] = {"steps", "5", NULL};
    const char *const more[] = {"steps", "14", NULL};
    heard again = {0}, less = {0}, longer = {0};

    (void)state;
    begin("finished");
    check_ok(resume("finished", &(heard){0}, NULL));
    check_ok(resume("finished", &again, NULL));
    check_says(&again, "nothing to do: 12 of 12 steps");
    check_as_whole("finished");
    check_ok(resume("finished", &less, fewer));
    check_says(&less, "nothing to do: 12 of 5 steps");
    assert_int_equal(again.steps + less.steps, 0);
    check_ok(resume("finished", &longer, more));
    assert_int_equal(longer.steps, 2);
}

/* Tries to train on the folder that its own training holds. */
static int train_beside(const pkm_train_event *event, void *user)
{
    heard *second = user;

    if (event->kind == PKM_EVENT_STEP && event->step == 8)
        check_fails(resume("beside", second, NULL), PKM_ERR_STATE, "beside", "another training",
                    NULL);
    return 0;
}

static void test_one_trainer_at_a_time(void **state)
{
    char *path = small_world_run(&world, "beside");
    heard second = {0};

    (void)state;
    begin("beside");
    check_ok(small_train_watched(&world, path, true, train_beside, &second, NULL));
    assert_int_equal(second.steps, 0);
    check_as_whole("beside");
    pkm_free(path);
}

/* ---- other data ---- */

static void copy_file(const char *from, const char *to, const char *name)
{
    char *source, *target, *data;
    size_t bytes;

    check_ok(pkm_path_join(&source, from, name));
    check_ok(pkm_path_join(&target, to, name));
    check_ok(pkm_file_read(&data, &bytes, source, (size_t)1 << 30));
    check_ok(pkm_file_write(target, data, bytes));
    pkm_free(source);
    pkm_free(target);
    pkm_free(data);
}

static void prepare(const char *dir, const char *text)
{
    const pkm_data_config config = {.val_fraction = 0.2}; /* as the world's */
    pkm_data_summary summary;
    pkm_tokenizer *tokenizer;

    check_ok(pkm_tokenizer_load(&tokenizer, world.data));
    check_ok(pkm_data_prepare(&summary, dir, tokenizer, &text, 1, &config));
    pkm_tokenizer_destroy(tokenizer);
}

/* `to` gets the held-out side of `from`. */
static void take_held_out(const char *from, const char *to)
{
    char *path_from, *path_to;
    json_t *meta_from, *meta_to;

    copy_file(from, to, "val-00000.bin");
    check_ok(pkm_path_join(&path_from, from, "meta.json"));
    check_ok(pkm_path_join(&path_to, to, "meta.json"));
    meta_from = json_load_file(path_from, 0, NULL);
    meta_to = json_load_file(path_to, 0, NULL);
    assert_int_equal(json_object_set(meta_to, "val", json_object_get(meta_from, "val")), 0);
    assert_int_equal(json_dump_file(meta_to, path_to, 0), 0);
    json_decref(meta_from);
    json_decref(meta_to);
    pkm_free(path_from);
    pkm_free(path_to);
}

static void test_other_data_is_refused(void **state)
{
    char *text = small_world_run(&world, "text"), *one_text = small_world_run(&world, "text/3.txt");
    char *other = small_world_run(&world, "other"), *half = small_world_run(&world, "half");
    small_world with_other = world, with_half = world;
    heard said = {0};

    (void)state;
    begin("data-run");
    prepare(other, one_text);
    prepare(half, text);
    with_other.data = other;
    with_half.data = half;
    check_fails(resume_on(&with_other, "data-run", &said, NULL), PKM_ERR_ARG, other, "not the data",
                NULL);
    check_ok(resume_on(&with_half, "data-run", &(heard){.stop_at = 0}, NULL));
    check_as_whole("data-run");
    begin("half-run");
    take_held_out(other, half);
    check_fails(resume_on(&with_half, "half-run", &said, NULL), PKM_ERR_ARG, half, "held-out",
                NULL);
    assert_int_equal(said.steps, 0);
    pkm_free(text);
    pkm_free(one_text);
    pkm_free(other);
    pkm_free(half);
}

static void test_other_tokenizer_is_refused(void **state)
{
    const pkm_tokenizer_train_config learn = {.vocab_size = 321};
    char *text = small_world_run(&world, "text"), *dir = small_world_run(&world, "token-data");
    const char *texts[] = {text};
    small_world with_dir = world;
    pkm_tokenizer *tokenizer;

    (void)state;
    begin("token-run");
    prepare(dir, text);
    with_dir.data = dir;
    check_ok(pkm_tokenizer_train(&tokenizer, texts, 1, &learn));
    check_ok(pkm_tokenizer_save(tokenizer, dir));
    check_fails(resume_on(&with_dir, "token-run", &(heard){0}, NULL), PKM_ERR_ARG, "token-data",
                "another tokenizer", NULL);
    pkm_tokenizer_destroy(tokenizer);
    pkm_free(text);
    pkm_free(dir);
}

/* ---- folders of a newer version ---- */

/* Replaces `find` in a file of the newest checkpoint and makes its manifest fit. */
static void make_newer(const char *run, const char *name, const char *find, const char *put)
{
    static const char *const names[] = {"config.json", "tokenizer.json", "model.safetensors",
                                        "optim.safetensors", "state.json"};
    char *step = small_run_path(&world, run, "checkpoints/step-00000007"), *path, *text, *at;
    size_t bytes;

    check_ok(pkm_path_join(&path, step, name));
    check_ok(pkm_file_read(&text, &bytes, path, 1 << 20));
    at = strstr(text, find);
    assert_non_null(at);
    memcpy(at, put, strlen(find));
    check_ok(pkm_file_write(path, text, bytes));
    if (strcmp(name, "MANIFEST.json") != 0)
        check_ok(pkm_manifest_write(step, names, 5));
    pkm_free(path);
    pkm_free(text);
    pkm_free(step);
}

static void test_newer_versions_are_refused(void **state)
{
    static const char *const cases[][3] = {
        {"MANIFEST.json", "\"format\": 1", "\"format\": 2"},
        {"state.json", "\"format\": 1", "\"format\": 3"},
        {"config.json", "\"format_version\": 1", "\"format_version\": 4"},
    };

    (void)state;
    for (int i = 0; i < 3; i++) {
        char run[16], *step;

        snprintf(run, sizeof run, "newer-%d", i);
        begin(run);
        make_newer(run, cases[i][0], cases[i][1], cases[i][2]);
        check_fails(resume(run, &(heard){0}, NULL), PKM_ERR_UNSUPPORTED, cases[i][0],
                    "newer version", NULL);
        step = small_run_path(&world, run, "checkpoints/step-00000007");
        assert_true(pkm_directory_exists(step));
        pkm_free(step);
    }
}

/* ---- read-only folders ---- */

static const char *read_only; /* paths that begin with it cannot be written */
static int attempts;          /* to do so */

static bool is_denied(const char *path, bool writes)
{
    bool denied = writes && strncmp(path, read_only, strlen(read_only)) == 0;

    attempts += denied;
    if (denied)
        errno = EROFS;
    return denied;
}

static int open_read_only(int dir, const char *path, int flags, mode_t mode)
{
    bool writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;

    return is_denied(path, writes) ? -1 : pkm_io_system()->open(dir, path, flags, mode);
}

static int rename_read_only(const char *from, const char *to)
{
    return is_denied(from, true) || is_denied(to, true) ? -1 : pkm_io_system()->rename(from, to);
}

static int link_read_only(const char *from, const char *to)
{
    return is_denied(to, true) ? -1 : pkm_io_system()->link(from, to);
}

static int remove_read_only(int dir, const char *path, int flags)
{
    return is_denied(path, true) ? -1 : pkm_io_system()->remove(dir, path, flags);
}

static int make_folder_read_only(const char *path, mode_t mode)
{
    struct stat info;

    /* As the system does: what is there already is told first. */
    if (stat(path, &info) == 0)
        errno = EEXIST;
    else if (!is_denied(path, true))
        return pkm_io_system()->make_folder(path, mode);
    return -1;
}

static void make_read_only(const char *path)
{
    static pkm_io_table table;

    table = *pkm_io_system();
    table.open = open_read_only;
    table.rename = rename_read_only;
    table.link = link_read_only;
    table.remove = remove_read_only;
    table.make_folder = make_folder_read_only;
    read_only = path;
    attempts = 0;
    pkm_io_set(&table);
}

static int swallow(const char *text, size_t bytes, void *user)
{
    (void)text;
    (void)bytes;
    (void)user;
    return 0;
}

static void test_reading_needs_no_writing(void **state)
{
    const pkm_generate_config config = {.max_tokens = 5, .temperature = 1, .top_p = 1};
    char *model_dir = small_world_run(&world, "whole"), *out = small_world_run(&world, "from");
    const pkm_train_paths paths = {
        .data = world.data, .tokenizer = world.data, .out = out, .init_from = model_dir};
    pkm_option_set *set = small_options(NULL);
    pkm_train_result trained;
    pkm_eval_result result;
    pkm_model *model;
    pkm_data *data;
    char *text;

    (void)state;
    make_read_only(model_dir);
    check_ok(pkm_model_inspect(model_dir, &text));
    check_ok(pkm_model_load(&model, model_dir, NULL));
    check_ok(pkm_data_open(&data, world.data, PKM_SPLIT_VAL));
    check_ok(pkm_model_eval_data(model, &result, data, 100, NULL, NULL));
    check_ok(pkm_model_generate(model, "memory", 6, &config, swallow, NULL, NULL));
    check_ok(pkm_train(&trained, &paths, set, NULL, NULL));
    pkm_io_set(NULL);
    assert_int_equal(attempts, 0);
    pkm_text_free(text);
    pkm_eval_result_release(&result);
    pkm_data_close(data);
    pkm_model_destroy(model);
    pkm_options_destroy(set);
    pkm_free(model_dir);
    pkm_free(out);
}

static void test_read_only_run_is_refused(void **state)
{
    char *run = small_world_run(&world, "sealed");
    heard said = {.from = -1};
    pkm_status status;

    (void)state;
    begin("sealed");
    make_read_only(run);
    status = resume("sealed", &said, NULL);
    pkm_io_set(NULL);
    check_fails(status, PKM_ERR_IO, "sealed", "Read-only file system", NULL);
    assert_int_equal(said.from, -1);
    check_ok(resume("sealed", &said, NULL));
    check_as_whole("sealed");
    pkm_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_may_be_split_otherwise),
        cmocka_unit_test(test_changed_options_are_told),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_times_do_not_matter),
        cmocka_unit_test(test_finished),
        cmocka_unit_test(test_one_trainer_at_a_time),
        cmocka_unit_test(test_other_data_is_refused),
        cmocka_unit_test(test_other_tokenizer_is_refused),
        cmocka_unit_test(test_newer_versions_are_refused),
        cmocka_unit_test(test_reading_needs_no_writing),
        cmocka_unit_test(test_read_only_run_is_refused),
    };

    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
