/* SPDX-License-Identifier: Apache-2.0 */
#include "train/event_log.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"
#include "support/run.h"

static const char *const on[] = {"tensorboard", "true", "keep_checkpoints", "9", NULL};

/* The files in a run's folder of events, separated by blanks. */
static void check_files(const char *run, const char *want)
{
    char *path = small_run_path(&the_world, run, "tensorboard");
    char got[256] = "";
    pkm_names names;

    check_ok(pkm_directory_list(&names, path));
    for (size_t i = 0; i < names.count; i++) {
        strcat(got, i > 0 ? " " : "");
        strcat(got, strrchr(names.name[i], '.') - 10); /* the step, .pkm */
    }
    assert_string_equal(got, want);
    pkm_names_release(&names);
    pkm_free(path);
}

/* One file a process; files from which on steps are taken anew go, others are left alone. */
static void test_files(void **state)
{
    char *foreign;

    (void)state;
    check_fails(small_train(&the_world, "files", false, 10, on), PKM_ERR_CANCELLED, "step 10",
                NULL);
    check_files("files", "0000000000.pkm");
    check_fails(small_train(&the_world, "files", true, 11, on), PKM_ERR_CANCELLED, "step 11", NULL);
    check_ok(small_train(&the_world, "files", true, 0, on));
    check_files("files", "0000000000.pkm 0000000010.pkm 0000000011.pkm");
    /* Back to step 10. */
    foreign = small_run_path(&the_world, "files", "checkpoints/step-00000011");
    check_ok(pkm_directory_remove(foreign));
    pkm_free(foreign);
    foreign = small_run_path(&the_world, "files", "checkpoints/step-00000012");
    check_ok(pkm_directory_remove(foreign));
    pkm_free(foreign);
    check_ok(small_train(&the_world, "files", true, 0, on));
    check_files("files", "0000000000.pkm 0000000010.pkm");
}

typedef struct move {
    char *from, *to;
    int warnings;
} move;

static int move_run(const pkm_train_event *event, void *user)
{
    move *m = user;

    m->warnings += event->kind == PKM_EVENT_WARNING;
    if (event->kind == PKM_EVENT_STEP && event->step == 7)
        assert_int_equal(rename(m->from, m->to), 0);
    return 0;
}

/* A run folder that is moved away takes its file along; what comes is in one of the new folder, as
 * that of metrics.jsonl is. */
static void test_moved_folder(void **state)
{
    static const char *const saving[] = {"tensorboard",      "true", "eval_every", "0",
                                         "checkpoint_every", "5",    NULL};
    move m = {.from = small_world_run(&the_world, "here"),
              .to = small_world_run(&the_world, "there")};
    size_t bytes;

    (void)state;
    check_ok(small_train_watched(&the_world, m.from, false, move_run, &m, saving));
    assert_int_equal(m.warnings, 1);
    check_files("there", "0000000000.pkm");
    check_files("here", "0000000010.pkm");
    pkm_free(small_run_file(&the_world, "here", "metrics.jsonl", &bytes));
    assert_true(bytes > 0);
    pkm_free(small_run_file(&the_world, "here", "tensorboard/events.out.tfevents.0000000010.pkm",
                            &bytes));
    assert_true(bytes > 200); /* a head, and two steps */
    pkm_free(m.from);
    pkm_free(m.to);
}

static void test_off_by_default(void **state)
{
    char *path = small_run_path(&the_world, "off", "tensorboard");

    (void)state;
    check_ok(small_train(&the_world, "off", false, 0, NULL));
    assert_false(pkm_directory_exists(path));
    pkm_free(path);
}

/* A link in the place of the folder leads nowhere. */
static void test_link(void **state)
{
    char *run = small_world_run(&the_world, "linked");
    char *path = small_run_path(&the_world, "linked", "tensorboard");

    (void)state;
    check_ok(pkm_directory_create(run));
    assert_int_equal(symlink(the_world.data, path), 0);
    check_fails(small_train(&the_world, "linked", false, 0, on), PKM_ERR_STATE, "tensorboard",
                "link", NULL);
    pkm_free(path);
    pkm_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_moved_folder),
        cmocka_unit_test(test_off_by_default),
        cmocka_unit_test(test_link),
    };

    return cmocka_run_group_tests(tests, the_world_create, the_world_destroy);
}
