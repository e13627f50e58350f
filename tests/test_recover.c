/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a step that cannot be taken: the end, the next data, or an older checkpoint. */
#include "train/recover.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "support/check.h"
#include "support/scene.h"
#include "support/state.h"

static const char *const plain[] = {"eval_every", "0", NULL};

/* Number `field` of line `line` of a log, NAN if there is none; *event: its event. */
static double logged(const char *run, int line, const char *field, char event[16])
{
    json_t *object = small_run_line(&the_world, run, line),
           *told = json_object_get(object, "event");
    double value = json_number_value(json_object_get(object, field));

    snprintf(event, 16, "%s", json_is_string(told) ? json_string_value(told) : "");
    json_decref(object);
    return value;
}

static bool has_checkpoint(const char *run, int step)
{
    char name[96], *path;
    bool found;

    snprintf(name, sizeof name, "%s/checkpoints/step-%08d", run, step);
    path = small_world_run(&the_world, name);
    found = pkm_directory_exists(path);
    pkm_free(path);
    return found;
}

static const char *const bf16[] = {
    "eval_every", "0",    "value_optimizer", "adagrad", "value_dtype", "bf16",
    "precision",  "bf16", "memory_mode",     "add",     "grad_accum",  "2",
    "batch",      "2",    "value_clip",      "1",       NULL};
static const char *const f32[] = {"eval_every", "0", "precision", "f32", NULL};

/* A skipped step leaves the bits of a run without it, for any threads, in one go or resumed. */
static void test_skip_is_as_if_it_had_not_been(void **state)
{
    const char *const *const variants[] = {f32, bf16};

    (void)state;
    for (int v = 0; v < 2; v++) {
        run_scene by_hand = {0}, whole = {.hurt_step = 5, .good_order = 1}, parts = whole;
        char run[3][16], event[16];

        for (int i = 0; i < 3; i++)
            snprintf(run[i], sizeof run[i], "skip-%d-%d", v, i);
        check_ok(pkm_threads_set(1));
        scene_open(&by_hand, &the_world, run[0], false, variants[v], "stop");
        scene_by_hand(&by_hand, 5, 12);
        scene_play(&whole, &the_world, run[1], variants[v], "skip");
        assert_int_equal(whole.skips, 1);
        assert_true(whole.from_step == 5 && whole.step == 5);
        assert_non_null(strstr(whole.reason, "step 5: node 'loss'"));
        assert_true(logged(run[1], 4, "from_step", event) == 5);
        assert_string_equal(event, "skip");
        check_same_scenes(&by_hand, &whole);

        check_ok(pkm_threads_set(2));
        parts.stop_at = 5;
        scene_open(&parts, &the_world, run[2], false, variants[v], "skip");
        check_fails(scene_go(&parts), PKM_ERR_CANCELLED, "step 5", NULL);
        scene_close(&parts);
        parts = (run_scene){0};
        scene_open(&parts, &the_world, run[2], true, variants[v], "skip");
        assert_true(parts.trainer->state.skipped == 1 && parts.trainer->state.skipped_in_row == 1);
        check_ok(scene_go(&parts));
        assert_true(parts.trainer->state.skipped == 1 && parts.trainer->state.skipped_in_row == 0);
        check_same_scenes(&whole, &parts);
        check_same_log(&the_world, run[1], run[2]);
        scene_close(&by_hand);
        scene_close(&whole);
        scene_close(&parts);
    }
}

static void test_skipping_ends(void **state)
{
    static const char *const longer[] = {"eval_every", "0", "steps", "30", NULL};
    run_scene lasting = {.hurt_step = 8, .good_order = 1, .lasting = true};
    run_scene model = {.hurt_step = 8, .good_order = 1, .hurt_weight = true};

    (void)state;
    scene_open(&lasting, &the_world, "lasting", false, longer, "skip");
    check_fails(scene_go(&lasting), PKM_ERR_NUMERIC, "step 18", "10 steps before it",
                "that of step 5", NULL);
    assert_int_equal(lasting.skips, 10);
    assert_true(has_checkpoint("lasting", 5) && !has_checkpoint("lasting", 10));
    scene_close(&lasting);
    scene_open(&model, &the_world, "model", false, plain, "skip");
    check_fails(scene_go(&model), PKM_ERR_NUMERIC, "step 8: 'h.0.ln_2.weight'", "element 3", NULL);
    assert_int_equal(model.skips, 0);
    scene_close(&model);
}

static void test_stop_says_what_to_do(void **state)
{
    run_scene early = {.hurt_step = 3, .good_order = 1}, late = {.hurt_step = 8, .good_order = 1};

    (void)state;
    scene_open(&early, &the_world, "early", false, plain, "stop");
    check_fails(scene_go(&early), PKM_ERR_NUMERIC, "step 3: node 'loss'", "no checkpoint", "--lr",
                NULL);
    scene_close(&early);
    scene_open(&late, &the_world, "late", false, plain, "stop");
    check_fails(scene_go(&late), PKM_ERR_NUMERIC, "step 8: node 'loss'",
                "checkpoint is that of step 5", "--resume", "--precision f32", NULL);
    scene_close(&late);
    assert_true(has_checkpoint("late", 5) && !has_checkpoint("late", 7));
}

/* Back to step 5 and on in another order: the same for any threads and stops, as if the order had
 * been given at step 5. */
static void test_rewind(void **state)
{
    const run_scene fate = {.hurt_step = 8, .good_order = 1, .hurt_weight = true};
    run_scene whole = fate, again = fate, parts = fate, given = {.stop_at = 5}, never = {0};
    model_state never_hurt, rewound;
    char event[16];

    (void)state;
    check_ok(pkm_threads_set(1));
    scene_play(&whole, &the_world, "rewind", plain, "rewind");
    assert_int_equal(whole.rewinds, 1);
    assert_true(whole.from_step == 8 && whole.step == 5);
    assert_non_null(strstr(whole.reason, "step 8: 'h.0.ln_2.weight'"));
    assert_true(logged("rewind", 5, "step", event) == 5);
    assert_string_equal(event, "rewind");
    for (int line = 6; line < 13; line++)
        assert_true(logged("rewind", line, "step", event) == line);

    check_ok(pkm_threads_set(2));
    scene_play(&again, &the_world, "again", plain, "rewind");
    check_same_scenes(&whole, &again);
    check_same_log(&the_world, "rewind", "again");

    parts.stop_at = 9;
    scene_open(&parts, &the_world, "parts", false, plain, "rewind");
    check_fails(scene_go(&parts), PKM_ERR_CANCELLED, "step 9", NULL);
    scene_close(&parts);
    parts = fate;
    scene_open(&parts, &the_world, "parts", true, plain, "rewind");
    check_ok(scene_go(&parts));
    assert_int_equal(parts.rewinds, 0);
    check_same_scenes(&whole, &parts);
    check_same_log(&the_world, "rewind", "parts");

    scene_open(&given, &the_world, "given", false, plain, "stop");
    check_fails(scene_go(&given), PKM_ERR_CANCELLED, "step 5", NULL);
    given.trainer->batches.order = 1;
    scene_by_hand(&given, 0, 12);
    check_same_scenes(&whole, &given);

    scene_play(&never, &the_world, "never", plain, "rewind");
    state_keep(&never_hurt, never.trainer->gpt);
    state_keep(&rewound, whole.trainer->gpt);
    assert_true(models_differ(&never_hurt, &rewound));
    state_release(&never_hurt);
    state_release(&rewound);
    scene_close(&whole);
    scene_close(&again);
    scene_close(&parts);
    scene_close(&given);
    scene_close(&never);
}

/* A process that ends without a word before the bad step, and after the rewind: gone on with, both
 * runs become the one that was left alone. */
static void test_rewind_of_a_killed_run(void **state)
{
    const run_scene fate = {.hurt_step = 8, .good_order = 1, .hurt_weight = true};
    run_scene whole = fate;

    (void)state;
    check_ok(pkm_threads_set(1)); /* a forked process has no other thread to call */
    scene_play(&whole, &the_world, "alone", plain, "rewind");
    for (int rewinds = 0; rewinds < 2; rewinds++) {
        run_scene killed = fate;
        char run[16];
        int ended;
        pid_t child = fork();

        snprintf(run, sizeof run, "killed-%d", rewinds);
        assert_true(child >= 0);
        if (child == 0) {
            killed.vanish_at = 7;
            killed.vanish_rewinds = rewinds;
            scene_open(&killed, &the_world, run, false, plain, "rewind");
            (void)scene_go(&killed);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_int_equal(ended, 0);
        scene_open(&killed, &the_world, run, true, plain, "rewind");
        assert_int_equal(killed.trainer->state.step, 5);
        check_ok(scene_go(&killed));
        assert_int_equal(killed.rewinds, 1);
        check_same_scenes(&whole, &killed);
        check_same_log(&the_world, "alone", run);
        scene_close(&killed);
    }
    scene_close(&whole);
}

/* A log that lost its lines does not get their length back. */
static void test_rewind_of_a_run_without_log(void **state)
{
    run_scene scene = {.stop_at = 5};
    char *path = small_run_path(&the_world, "no-log", "metrics.jsonl"), *log;
    size_t bytes;

    (void)state;
    scene_open(&scene, &the_world, "no-log", false, plain, "rewind");
    check_fails(scene_go(&scene), PKM_ERR_CANCELLED, "step 5", NULL);
    scene_close(&scene);
    assert_int_equal(unlink(path), 0);
    scene = (run_scene){.hurt_step = 8, .good_order = 1, .hurt_weight = true};
    scene_open(&scene, &the_world, "no-log", true, plain, "rewind");
    check_ok(scene_go(&scene));
    assert_int_equal(scene.rewinds, 1);
    log = small_run_file(&the_world, "no-log", "metrics.jsonl", &bytes);
    assert_true(bytes > 0);
    assert_null(memchr(log, '\0', bytes));
    pkm_free(log);
    pkm_free(path);
    scene_close(&scene);
}

static void test_rewind_to_the_start(void **state)
{
    run_scene rewound = {.hurt_step = 4, .good_order = 2, .hurt_weight = true}, given = {0};

    (void)state;
    scene_play(&rewound, &the_world, "to-start", bf16, "rewind");
    assert_int_equal(rewound.rewinds, 2);
    assert_true(rewound.from_step == 4 && rewound.step == 0);
    scene_open(&given, &the_world, "from-start", false, bf16, "stop");
    given.trainer->batches.order = 2;
    scene_by_hand(&given, 0, 12);
    check_same_scenes(&rewound, &given);
    scene_close(&rewound);
    scene_close(&given);
}

static void test_rewinding_ends(void **state)
{
    run_scene scene = {.hurt_step = 8, .good_order = 99};

    (void)state;
    scene_open(&scene, &the_world, "endless", false, plain, "rewind");
    check_fails(scene_go(&scene), PKM_ERR_NUMERIC, "step 8", "before 3 rewinds", "that of step 5",
                NULL);
    assert_int_equal(scene.rewinds, 3);
    scene_close(&scene);
}

/* What goes bad after the last step is met by the checkpoint, which is not written. */
static void test_nothing_bad_is_saved(void **state)
{
    run_scene stopped = {.hurt_step = 13, .good_order = 1, .hurt_weight = true}, rewound = stopped;

    (void)state;
    scene_open(&stopped, &the_world, "unsaved", false, plain, "stop");
    check_fails(scene_go(&stopped), PKM_ERR_NUMERIC, "after step 12: 'h.0.ln_2.weight'", NULL);
    assert_true(has_checkpoint("unsaved", 10) && !has_checkpoint("unsaved", 12));
    scene_close(&stopped);
    scene_play(&rewound, &the_world, "saved", plain, "rewind");
    assert_int_equal(rewound.rewinds, 1);
    assert_true(has_checkpoint("saved", 12));
    scene_close(&rewound);
}

/* Token 1000 of the first shard is none of the vocabulary; every epoch meets it once. */
static void damage_data(const char *data)
{
    const uint16_t none = 65535;
    char *path;
    FILE *shard;

    check_ok(pkm_path_join(&path, data, "train-00000.bin"));
    shard = fopen(path, "r+b");
    assert_non_null(shard);
    assert_int_equal(fseek(shard, 1024 + 2 * 1000, SEEK_SET), 0);
    assert_int_equal(fwrite(&none, sizeof none, 1, shard), 1);
    assert_int_equal(fclose(shard), 0);
    pkm_free(path);
}

/* Damaged data harm no weight: both policies pass over the step that would read them. */
static void test_damaged_data(void **state)
{
    static const char *const epoch[] = {"epochs", "1",     "steps", "0", "eval_every",
                                        "0",      "batch", "64",    NULL};
    run_scene stopped = {0}, skipped = {0}, rewound = {0};
    small_world sound = the_world;

    (void)state;
    small_world_create(&the_world);
    damage_data(the_world.data);
    scene_open(&stopped, &the_world, "stopped", false, epoch, "stop");
    check_fails(scene_go(&stopped), PKM_ERR_FORMAT, "train-00000.bin", "token 1000 is 65535",
                "--on-nan skip", NULL);
    scene_play(&skipped, &the_world, "skipped", epoch, "skip");
    assert_in_range(skipped.skips, 1, 2); /* the token ends one window and begins another, or not */
    assert_non_null(strstr(skipped.reason, "token 1000 is 65535"));
    scene_play(&rewound, &the_world, "rewound", epoch, "rewind");
    assert_int_equal(rewound.rewinds, 0);
    check_same_scenes(&skipped, &rewound);
    scene_close(&stopped);
    scene_close(&skipped);
    scene_close(&rewound);
    small_world_destroy(&the_world);
    the_world = sound;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skip_is_as_if_it_had_not_been),
        cmocka_unit_test(test_skipping_ends),
        cmocka_unit_test(test_stop_says_what_to_do),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_rewind_of_a_killed_run),
        cmocka_unit_test(test_rewind_of_a_run_without_log),
        cmocka_unit_test(test_rewind_to_the_start),
        cmocka_unit_test(test_rewinding_ends),
        cmocka_unit_test(test_nothing_bad_is_saved),
        cmocka_unit_test(test_damaged_data),
    };

    return cmocka_run_group_tests(tests, the_world_create, the_world_destroy);
}
