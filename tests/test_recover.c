/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a step that cannot be taken: the end, the next data, or an older checkpoint. */
#include "train/recover.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "support/check.h"
#include "support/run.h"
#include "support/same_tree.h"
#include "support/state.h"
#include "train/health.h"

static small_world world;

static int create_world(void **state)
{
    (void)state;
    small_world_create(&world);
    return 0;
}

static int destroy_world(void **state)
{
    (void)state;
    small_world_destroy(&world);
    return 0;
}

/* A run that something happens to, and what it told. */
typedef struct run_scene {
    pkm_trainer *trainer;
    int64_t hurt_step;  /* what is hurt before this step */
    bool hurt_weight;   /* a NaN in a weight; else the gradient of a row's loss */
    float gradient;     /* which is this; 0: infinite */
    bool lasting;       /* and so in the steps that follow */
    int64_t good_order; /* rewinds after which nothing is hurt any more */
    int64_t stop_at;    /* stops after this step */
    int skips, rewinds, spikes;
    int64_t from_step, step; /* of the last of them */
    char reason[1024];
} run_scene;

static void hurt(run_scene *scene)
{
    float *weight = pkm_params_find(scene->trainer->gpt->params, "h.0.ln_2.weight")->data;

    if (scene->hurt_weight)
        weight[3] = NAN;
    else
        scene->trainer->seed_grad[1] = scene->gradient > 0 ? scene->gradient : INFINITY;
}

static int watch(const pkm_train_event *event, void *user)
{
    run_scene *scene = user;

    scene->skips += event->kind == PKM_EVENT_SKIP;
    scene->rewinds += event->kind == PKM_EVENT_REWIND;
    scene->spikes += event->kind == PKM_EVENT_SPIKE;
    if (event->kind == PKM_EVENT_SKIP || event->kind == PKM_EVENT_REWIND ||
        event->kind == PKM_EVENT_SPIKE) {
        scene->from_step = event->from_step;
        scene->step = event->step;
        snprintf(scene->reason, sizeof scene->reason, "%s", event->path);
        if (!scene->lasting)
            scene->trainer->seed_grad[1] = scene->trainer->seed_grad[0];
    }
    if (event->kind == PKM_EVENT_STEP && event->step == scene->hurt_step - 1 &&
        scene->trainer->state.rewinds < scene->good_order)
        hurt(scene);
    return event->kind != PKM_EVENT_PLAN && event->step == scene->stop_at;
}

static const char *const plain[] = {"eval_every", "0", NULL};

/* A trainer at the start of the scene's run, or where the run stands. */
static void open_run(run_scene *scene, const char *run, bool resume, const char *const *options,
                     const char *on_nan)
{
    char *out = small_world_run(&world, run);
    pkm_train_paths paths = {
        .data = world.data, .tokenizer = world.data, .out = out, .resume = resume};
    pkm_option_set *set = small_options(options);

    check_ok(pkm_options_set_text(set, "on_nan", on_nan, PKM_ORIGIN_ARGS));
    check_ok(pkm_options_set_text(set, "dim", "16", PKM_ORIGIN_ARGS));
    check_ok(pkm_options_set_text(set, "seq_len", "8", PKM_ORIGIN_ARGS));
    if (scene->stop_at == 0)
        scene->stop_at = -1;
    check_ok(pkm_trainer_create(&scene->trainer, &paths, set, watch, scene));
    pkm_options_destroy(set);
    pkm_free(out);
}

static pkm_status go(run_scene *scene)
{
    pkm_train_result result;

    return pkm_trainer_run(scene->trainer, &result);
}

/* The whole run, which ends well; its trainer stays open. */
static void play(run_scene *scene, const char *run, const char *const *options, const char *on_nan)
{
    open_run(scene, run, false, options, on_nan);
    check_ok(go(scene));
}

static void check_same(const run_scene *a, const run_scene *b)
{
    model_state state_a, state_b;

    state_keep(&state_a, a->trainer->gpt);
    state_keep(&state_b, b->trainer->gpt);
    check_models_same(&state_a, &state_b);
    state_release(&state_a);
    state_release(&state_b);
}

static void finish(run_scene *scene)
{
    pkm_trainer_destroy(scene->trainer);
}

static void check_same_log(const char *run_a, const char *run_b)
{
    char *a = small_run_path(&world, run_a, "metrics.jsonl");
    char *b = small_run_path(&world, run_b, "metrics.jsonl");

    assert_true(same_file(a, b));
    pkm_free(a);
    pkm_free(b);
}

/* Number `field` of line `line` of a log, NAN if there is none; *event: its event. */
static double logged(const char *run, int line, const char *field, char event[16])
{
    size_t bytes;
    char *log = small_run_file(&world, run, "metrics.jsonl", &bytes), *at = log;
    json_t *object;
    double value;

    for (int i = 0; i < line; i++)
        at += strcspn(at, "\n") + 1;
    object = json_loadb(at, strcspn(at, "\n"), 0, NULL);
    assert_non_null(object);
    value = json_number_value(json_object_get(object, field));
    snprintf(event, 16, "%s",
             json_is_string(json_object_get(object, "event"))
                 ? json_string_value(json_object_get(object, "event"))
                 : "");
    json_decref(object);
    pkm_free(log);
    return value;
}

static bool has_checkpoint(const char *run, int step)
{
    char name[96], *path;
    bool found;

    snprintf(name, sizeof name, "%s/checkpoints/step-%08d", run, step);
    path = small_world_run(&world, name);
    found = pkm_directory_exists(path);
    pkm_free(path);
    return found;
}

/* The same steps by hand, without even looking at the data of step `left_out`. */
static void step_by_hand(run_scene *scene, int64_t left_out, int64_t last)
{
    pkm_trainer *trainer = scene->trainer;

    for (int64_t step = trainer->state.step + 1; step <= last; step++) {
        pkm_step_result result;

        if (step != left_out) {
            check_ok(pkm_trainer_gather(trainer, &result));
            check_ok(pkm_trainer_update(trainer, &result));
        }
        trainer->state.step++;
        trainer->state.tokens += trainer->plan.tokens_per_step;
    }
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
        open_run(&by_hand, run[0], false, variants[v], "stop");
        step_by_hand(&by_hand, 5, 12);
        play(&whole, run[1], variants[v], "skip");
        assert_int_equal(whole.skips, 1);
        assert_true(whole.from_step == 5 && whole.step == 5);
        assert_non_null(strstr(whole.reason, "step 5: node 'loss'"));
        assert_true(logged(run[1], 4, "from_step", event) == 5);
        assert_string_equal(event, "skip");
        check_same(&by_hand, &whole);

        check_ok(pkm_threads_set(2));
        parts.stop_at = 5;
        open_run(&parts, run[2], false, variants[v], "skip");
        check_fails(go(&parts), PKM_ERR_CANCELLED, "step 5", NULL);
        finish(&parts);
        parts = (run_scene){0};
        open_run(&parts, run[2], true, variants[v], "skip");
        assert_true(parts.trainer->state.skipped == 1 && parts.trainer->state.skipped_in_row == 1);
        check_ok(go(&parts));
        assert_true(parts.trainer->state.skipped == 1 && parts.trainer->state.skipped_in_row == 0);
        check_same(&whole, &parts);
        check_same_log(run[1], run[2]);
        finish(&by_hand);
        finish(&whole);
        finish(&parts);
    }
}

static void test_skipping_ends(void **state)
{
    static const char *const longer[] = {"eval_every", "0", "steps", "30", NULL};
    run_scene lasting = {.hurt_step = 8, .good_order = 1, .lasting = true};
    run_scene model = {.hurt_step = 8, .good_order = 1, .hurt_weight = true};

    (void)state;
    open_run(&lasting, "lasting", false, longer, "skip");
    check_fails(go(&lasting), PKM_ERR_NUMERIC, "step 18", "10 steps before it", "that of step 5",
                NULL);
    assert_int_equal(lasting.skips, 10);
    assert_true(has_checkpoint("lasting", 5) && !has_checkpoint("lasting", 10));
    finish(&lasting);
    open_run(&model, "model", false, plain, "skip");
    check_fails(go(&model), PKM_ERR_NUMERIC, "step 8: 'h.0.ln_2.weight'", "element 3", NULL);
    assert_int_equal(model.skips, 0);
    finish(&model);
}

static void test_stop_says_what_to_do(void **state)
{
    run_scene early = {.hurt_step = 3, .good_order = 1}, late = {.hurt_step = 8, .good_order = 1};

    (void)state;
    open_run(&early, "early", false, plain, "stop");
    check_fails(go(&early), PKM_ERR_NUMERIC, "step 3: node 'loss'", "no checkpoint", "--lr", NULL);
    finish(&early);
    open_run(&late, "late", false, plain, "stop");
    check_fails(go(&late), PKM_ERR_NUMERIC, "step 8: node 'loss'", "checkpoint is that of step 5",
                "--resume", "--precision f32", NULL);
    finish(&late);
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
    play(&whole, "rewind", plain, "rewind");
    assert_int_equal(whole.rewinds, 1);
    assert_true(whole.from_step == 8 && whole.step == 5);
    assert_non_null(strstr(whole.reason, "step 8: 'h.0.ln_2.weight'"));
    assert_true(logged("rewind", 5, "step", event) == 5);
    assert_string_equal(event, "rewind");
    for (int line = 6; line < 13; line++)
        assert_true(logged("rewind", line, "step", event) == line);

    check_ok(pkm_threads_set(2));
    play(&again, "again", plain, "rewind");
    check_same(&whole, &again);
    check_same_log("rewind", "again");

    parts.stop_at = 9;
    open_run(&parts, "parts", false, plain, "rewind");
    check_fails(go(&parts), PKM_ERR_CANCELLED, "step 9", NULL);
    finish(&parts);
    parts = fate;
    open_run(&parts, "parts", true, plain, "rewind");
    check_ok(go(&parts));
    assert_int_equal(parts.rewinds, 0);
    check_same(&whole, &parts);
    check_same_log("rewind", "parts");

    open_run(&given, "given", false, plain, "stop");
    check_fails(go(&given), PKM_ERR_CANCELLED, "step 5", NULL);
    given.trainer->batches.order = 1;
    step_by_hand(&given, 0, 12);
    check_same(&whole, &given);

    play(&never, "never", plain, "rewind");
    state_keep(&never_hurt, never.trainer->gpt);
    state_keep(&rewound, whole.trainer->gpt);
    assert_true(models_differ(&never_hurt, &rewound));
    state_release(&never_hurt);
    state_release(&rewound);
    finish(&whole);
    finish(&again);
    finish(&parts);
    finish(&given);
    finish(&never);
}

static void test_rewind_to_the_start(void **state)
{
    run_scene rewound = {.hurt_step = 4, .good_order = 2, .hurt_weight = true}, given = {0};

    (void)state;
    play(&rewound, "to-start", bf16, "rewind");
    assert_int_equal(rewound.rewinds, 2);
    assert_true(rewound.from_step == 4 && rewound.step == 0);
    open_run(&given, "from-start", false, bf16, "stop");
    given.trainer->batches.order = 2;
    step_by_hand(&given, 0, 12);
    check_same(&rewound, &given);
    finish(&rewound);
    finish(&given);
}

static void test_rewinding_ends(void **state)
{
    run_scene scene = {.hurt_step = 8, .good_order = 99};

    (void)state;
    open_run(&scene, "endless", false, plain, "rewind");
    check_fails(go(&scene), PKM_ERR_NUMERIC, "step 8", "before 3 rewinds", "that of step 5", NULL);
    assert_int_equal(scene.rewinds, 3);
    finish(&scene);
}

/* What goes bad after the last step is met by the checkpoint, which is not written. */
static void test_nothing_bad_is_saved(void **state)
{
    run_scene stopped = {.hurt_step = 13, .good_order = 1, .hurt_weight = true}, rewound = stopped;

    (void)state;
    open_run(&stopped, "unsaved", false, plain, "stop");
    check_fails(go(&stopped), PKM_ERR_NUMERIC, "after step 12: 'h.0.ln_2.weight'", NULL);
    assert_true(has_checkpoint("unsaved", 10) && !has_checkpoint("unsaved", 12));
    finish(&stopped);
    play(&rewound, "saved", plain, "rewind");
    assert_int_equal(rewound.rewinds, 1);
    assert_true(has_checkpoint("saved", 12));
    finish(&rewound);
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
    small_world sound = world;

    (void)state;
    small_world_create(&world);
    damage_data(world.data);
    open_run(&stopped, "stopped", false, epoch, "stop");
    check_fails(go(&stopped), PKM_ERR_FORMAT, "train-00000.bin", "token 1000 is 65535",
                "--on-nan skip", NULL);
    play(&skipped, "skipped", epoch, "skip");
    assert_in_range(skipped.skips, 1, 2); /* the token ends one window and begins another, or not */
    assert_non_null(strstr(skipped.reason, "token 1000 is 65535"));
    play(&rewound, "rewound", epoch, "rewind");
    assert_int_equal(rewound.rewinds, 0);
    check_same(&skipped, &rewound);
    finish(&stopped);
    finish(&skipped);
    finish(&rewound);
    small_world_destroy(&world);
    world = sound;
}

static void test_what_a_spike_is(void **state)
{
    pkm_train_state calm = {
        .observed = 100, .smoothed_loss = 3, .loss_deviation = 0.1, .smoothed_norm = 0.5};

    (void)state;
    check_ok(pkm_health_spike(&calm, 20, 4.99, 9.9));
    check_fails(pkm_health_spike(&calm, 20, 5.01, 0.5), PKM_ERR_NUMERIC, "loss of 5.01", NULL);
    check_fails(pkm_health_spike(&calm, 20, 3, 10.1), PKM_ERR_NUMERIC, "norm of 10.1", NULL);
    check_ok(pkm_health_spike(&calm, 0, 1e9, 1e9));
    calm.loss_deviation = 1e-9; /* hardly moved: a hundredth of the loss is reckoned with */
    check_ok(pkm_health_spike(&calm, 20, 3.59, 0.5));
    check_fails(pkm_health_spike(&calm, 20, 3.61, 0.5), PKM_ERR_NUMERIC, "spike", NULL);
    calm.observed = 99;
    check_ok(pkm_health_spike(&calm, 20, 1e9, 1e9));
}

/* A gradient that leaps once after 110 healthy steps. */
static void test_spike_policies(void **state)
{
    static const char *const warn[] = {"eval_every", "0", "steps", "150", NULL};
    static const char *const skip[] = {"eval_every", "0", "steps", "150", "on_spike", "skip", NULL};
    static const char *const off[] = {"eval_every", "0", "steps", "150", "spike_factor", "0", NULL};
    const run_scene fate = {.hurt_step = 111, .good_order = 1, .gradient = 100};
    run_scene warned = fate, skipped = fate, without = fate, by_hand = {0};

    (void)state;
    check_ok(pkm_threads_set(1));
    play(&warned, "warned", warn, "rewind");
    assert_true(warned.spikes == 1 && warned.skips == 0 && warned.rewinds == 0);
    assert_true(warned.from_step == 111 && warned.step == 111);
    assert_non_null(strstr(warned.reason, "the gradient explodes"));
    play(&skipped, "spike-skipped", skip, "stop");
    assert_true(skipped.spikes == 0 && skipped.skips == 1);
    open_run(&by_hand, "spike-by-hand", false, warn, "stop");
    step_by_hand(&by_hand, 111, 150);
    check_same(&skipped, &by_hand);
    play(&without, "spike-off", off, "stop");
    assert_true(without.spikes == 0 && without.skips == 0);
    finish(&warned);
    finish(&skipped);
    finish(&without);
    finish(&by_hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skip_is_as_if_it_had_not_been),
        cmocka_unit_test(test_skipping_ends),
        cmocka_unit_test(test_stop_says_what_to_do),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_rewind_to_the_start),
        cmocka_unit_test(test_rewinding_ends),
        cmocka_unit_test(test_nothing_bad_is_saved),
        cmocka_unit_test(test_damaged_data),
        cmocka_unit_test(test_what_a_spike_is),
        cmocka_unit_test(test_spike_policies),
    };

    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
