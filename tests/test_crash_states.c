/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power loss at any moment of a training and of its resumption: every state that the disk may then
 * be in (support/disk.h) holds a checkpoint, whole to the byte, none older than the last one that
 * was reported; what the pointers and the published model name is there; and the run goes on.
 *
 * Takes every fourth state; PKM_CRASH_STATES=all takes all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/rng.h"
#include "base/threads.h"
#include "models/model_dir.h"
#include "support/check.h"
#include "support/disk.h"
#include "support/run.h"
#include "train/trainer.h"

enum { STEPS = 6, STOP = 4, N_FILES = 6, RANDOM_STATES = 12 };

static const char *const file_names[N_FILES] = {"config.json",       "tokenizer.json",
                                                "model.safetensors", "optim.safetensors",
                                                "state.json",        "MANIFEST.json"};

static const char *const tiny[] = {
    "layers",           "1", "dim",           "16", "seq_len",          "8", "batch",       "2",
    "key_dim",          "8", "memory_layers", "0",  "eval_every",       "2", "eval_tokens", "32",
    "checkpoint_every", "1", "threads",       "1",  "keep_checkpoints", "1", NULL};

typedef struct content {
    char *data;
    size_t bytes;
} content;

static small_world world;
static char *disk, *run;                 /* what is recorded; its run */
static content kept[STEPS + 1][N_FILES]; /* of each checkpoint */
static content log_kept;                 /* metrics.jsonl at the end */
static char *state_dir, *state_run;      /* the state that is being looked at */
static int64_t n_states, n_loaded;

/* ---- the run that is recorded ---- */

static content read_content(const char *dir, const char *name)
{
    content out;
    char *path;

    check_ok(pkm_path_join(&path, dir, name));
    check_ok(pkm_file_read(&out.data, &out.bytes, path, 1 << 26));
    pkm_free(path);
    return out;
}

static int watch(const pkm_train_event *event, void *user)
{
    if (event->kind == PKM_EVENT_CHECKPOINT) {
        for (int i = 0; i < N_FILES; i++)
            kept[event->step][i] = read_content(event->path, file_names[i]);
        disk_mark(event->step);
    }
    return event->kind == PKM_EVENT_STEP && event->step == *(const int *)user;
}

static void train(bool resume, int steps)
{
    pkm_train_paths paths = {.data = world.data, .tokenizer = world.data, .out = run};
    pkm_option_set *set = small_options(tiny);
    pkm_train_result result;
    char text[8];
    int never = 0;

    paths.resume = resume;
    snprintf(text, sizeof text, "%d", steps);
    check_ok(pkm_options_set_text(set, "steps", text, PKM_ORIGIN_ARGS));
    check_ok(pkm_train(&result, &paths, set, watch, &never));
    pkm_options_destroy(set);
}

static int record(void **state)
{
    (void)state;
    check_ok(pkm_threads_set(1));
    small_world_create(&world);
    disk = small_world_run(&world, "disk");
    check_ok(pkm_directory_create(disk));
    check_ok(pkm_path_join(&run, disk, "run"));
    state_dir = small_world_run(&world, "state");
    check_ok(pkm_path_join(&state_run, state_dir, "run"));
    disk_record(disk);
    train(false, STOP);
    train(true, STEPS);
    disk_stop();
    log_kept = read_content(run, "metrics.jsonl");
    return 0;
}

static int forget(void **state)
{
    (void)state;
    disk_forget();
    for (int step = 1; step <= STEPS; step++)
        for (int i = 0; i < N_FILES; i++)
            pkm_free(kept[step][i].data);
    pkm_free(log_kept.data);
    pkm_free(disk);
    pkm_free(run);
    pkm_free(state_dir);
    pkm_free(state_run);
    small_world_destroy(&world);
    return 0;
}

/* ---- a state ---- */

/* The step whose file of this name has these bytes; fails if there is none. */
static int64_t step_with(const char *dir, int file)
{
    content found = read_content(dir, file_names[file]);
    int64_t step = STEPS;

    while (step > 0 && (found.bytes != kept[step][file].bytes ||
                        memcmp(found.data, kept[step][file].data, found.bytes) != 0))
        step--;
    pkm_free(found.data);
    if (step == 0)
        fail_msg("%s/%s is of no checkpoint", dir, file_names[file]);
    return step;
}

/* The checkpoint of a step is, to the byte, the one that was written. */
static void check_checkpoint(const char *dir, int64_t step)
{
    for (int i = 0; i < N_FILES; i++) {
        content found = read_content(dir, file_names[i]);

        if (found.bytes != kept[step][i].bytes ||
            memcmp(found.data, kept[step][i].data, found.bytes) != 0)
            fail_msg("%s/%s differs", dir, file_names[i]);
        pkm_free(found.data);
    }
}

/* A pointer is absent, or names a checkpoint that is there. */
static void check_pointer(const pkm_run_folder *folder, const char *name)
{
    char *path, *target;
    content found;

    check_ok(pkm_path_join(&path, folder->checkpoints, name));
    if (pkm_file_exists(path)) {
        found = read_content(folder->checkpoints, name);
        assert_int_equal(found.bytes, 14);
        found.data[13] = '\0';
        check_ok(pkm_path_join(&target, folder->checkpoints, found.data));
        if (!pkm_directory_exists(target))
            fail_msg("%s names %s, which is not there", name, found.data);
        pkm_free(target);
        pkm_free(found.data);
    }
    pkm_free(path);
}

/* The published files are absent or those of a checkpoint, none older than the last one that was
 * reported; together they load. */
static void check_published(int64_t least)
{
    char *weights;

    check_ok(pkm_path_join(&weights, state_run, "model.safetensors"));
    if (pkm_file_exists(weights)) {
        pkm_model *model;

        for (int i = 0; i < 3; i++)
            assert_true(step_with(state_run, i) > 0);
        assert_true(step_with(state_run, 2) >= least);
        check_ok(pkm_model_load(&model, state_run, NULL));
        pkm_model_destroy(model);
    } else {
        assert_int_equal(least, 0);
    }
    pkm_free(weights);
}

/* What the log had when the checkpoint was saved is there. */
static void check_log(const pkm_train_state *state)
{
    content found;

    if (state->metrics_bytes == 0)
        return;
    found = read_content(state_run, "metrics.jsonl");
    assert_true(found.bytes >= (size_t)state->metrics_bytes);
    assert_memory_equal(found.data, log_kept.data, (size_t)state->metrics_bytes);
    pkm_free(found.data);
}

static void check_resumes(int64_t step)
{
    pkm_train_paths paths = {
        .data = world.data, .tokenizer = world.data, .out = state_run, .resume = true};
    pkm_option_set *set = small_options(tiny);
    pkm_trainer *trainer;

    check_ok(pkm_trainer_create(&trainer, &paths, set, NULL, NULL));
    assert_int_equal(trainer->state.step, step);
    pkm_trainer_destroy(trainer);
    pkm_options_destroy(set);
    n_loaded++;
}

/* The newest checkpoint there is, which must be whole; 0 if there is none. */
static int64_t check_newest(const pkm_run_folder *folder)
{
    pkm_train_state state;
    int64_t *steps, newest;
    size_t count;
    char *dir;

    check_ok(pkm_run_folder_steps(folder, &steps, &count));
    newest = count > 0 ? steps[0] : 0;
    pkm_free(steps);
    if (newest == 0)
        return 0;
    check_ok(pkm_run_folder_step(folder, &dir, newest));
    check_ok(pkm_checkpoint_load_state(&state, dir, PKM_VERIFY_FULL));
    assert_int_equal(state.step, newest);
    check_checkpoint(dir, newest);
    check_log(&state);
    pkm_train_state_release(&state);
    pkm_free(dir);
    return newest;
}

/* `least`: the step of the last checkpoint that was reported before the power went. */
static void check_state(int64_t least)
{
    pkm_run_folder folder;
    int64_t step;

    if (pkm_directory_exists(state_run))
        check_published(least);
    check_ok(pkm_run_folder_open(&folder, state_run, true));
    step = check_newest(&folder);
    if (step < least || step > least + 1)
        fail_msg("the newest checkpoint is of step %d, reported was %d", (int)step, (int)least);
    check_pointer(&folder, "last");
    check_pointer(&folder, "best");
    pkm_run_folder_close(&folder);
    if (n_states % 64 == 0)
        check_resumes(step);
}

/* ---- all states ---- */

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static char doing[128];

static void try_state(int count, const unsigned char *fates, const char *what)
{
    static int64_t turn;
    bool all = getenv("PKM_CRASH_STATES") != NULL;

    if (!all && turn++ % 4 != 0)
        return;
    snprintf(doing, sizeof doing, "after %d of %d changes: %s", count, disk_count(), what);
    disk_build(state_dir, count, fates);
    check_state(disk_last_mark(count));
    check_ok(pkm_directory_remove(state_dir));
    n_states++;
}

/* None of the pending changes, all, all but one, only one, one damaged, some. */
static void try_after(int count, int *pending, unsigned char *fates)
{
    int n = disk_pending(pending, count);
    pkm_rng rng = {.seed = (uint64_t)count};
    uint64_t drawn = 0;

    memset(fates, DISK_LOST, (size_t)disk_count());
    try_state(count, fates, "all lost");
    for (int i = 0; i < n && n > 1; i++) {
        fates[pending[i]] = DISK_KEPT;
        try_state(count, fates, "one kept");
        fates[pending[i]] = DISK_LOST;
    }
    memset(fates, DISK_KEPT, (size_t)disk_count());
    try_state(count, fates, "all kept");
    for (int i = 0; i < n; i++)
        for (int fate = DISK_LOST; fate <= DISK_HOLED; fate++)
            if (fate == DISK_LOST || (fate != DISK_KEPT && disk_is_write(pending[i]))) {
                fates[pending[i]] = (unsigned char)fate;
                try_state(count, fates, "one lost or damaged");
                fates[pending[i]] = DISK_KEPT;
            }
    for (int round = 0; round < RANDOM_STATES && n > 2; round++) {
        for (int i = 0; i < n; i++)
            fates[pending[i]] = pkm_rng_u32(&rng, drawn++) % 4;
        try_state(count, fates, "some lost, some damaged");
    }
}

static void test_power_loss(void **state)
{
    pkm_io_table table = *pkm_io_system();
    int *pending = calloc((size_t)disk_count(), sizeof *pending);
    unsigned char *fates = calloc((size_t)disk_count(), 1);

    (void)state;
    table.sync = no_sync;
    pkm_io_set(&table);
    for (int count = 0; count <= disk_count(); count++)
        try_after(count, pending, fates);
    pkm_io_set(NULL);
    free(pending);
    free(fates);
    doing[0] = '\0';
    print_message("%d changes, %d states, %d of them resumed\n", disk_count(), (int)n_states,
                  (int)n_loaded);
}

static int say_where(void **state)
{
    (void)state;
    pkm_io_set(NULL);
    if (doing[0] != '\0')
        print_message("%s\n", doing);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_power_loss, say_where),
    };

    return cmocka_run_group_tests(tests, record, forget);
}
