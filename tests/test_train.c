/* SPDX-License-Identifier: Apache-2.0 */
/* Training end to end on a small world: it learns, resumes to the bit, refuses what it must. */
#include "pkm/train.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "pkm/verify.h"
#include "support/check.h"
#include "support/run.h"
#include "train/run_folder.h"

/* 0 is a tenth of lr; another rate of keys is another run. */
static void test_key_lr(void **state)
{
    static const char *const tenth[] = {"lr", "1e-2", "key_lr", "0", NULL};
    static const char *const told[] = {"lr", "1e-2", "key_lr", "1e-3", NULL};
    static const char *const other[] = {"lr", "1e-2", "key_lr", "2e-3", NULL};

    (void)state;
    check_ok(small_train(&the_world, "key-lr-0", false, 0, tenth));
    check_ok(small_train(&the_world, "key-lr-told", false, 0, told));
    check_ok(small_train(&the_world, "key-lr-other", false, 0, other));
    assert_true(small_same_run(&the_world, "key-lr-0", "key-lr-told"));
    assert_false(small_same_run(&the_world, "key-lr-0", "key-lr-other"));
}

/* 12 steps at once, against 7 and 5 more in a second process's place, for several threads. */
static void test_resume_to_the_bit(void **state)
{
    static const struct {
        const char *name, *precision, *memory_layers;
    } cases[] = {{"f32", "f32", "1"},
                 {"bf16", "bf16", "1"},
                 {"plain-f32", "f32", ""},
                 {"plain-bf16", "bf16", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *options[] = {"threads",
                                 "1",
                                 "precision",
                                 cases[i].precision,
                                 "memory_layers",
                                 cases[i].memory_layers,
                                 NULL};
        char whole[32], parts[32], more[32];

        snprintf(whole, sizeof whole, "whole-%s", cases[i].name);
        check_ok(small_train(&the_world, whole, false, 0, options));
        snprintf(parts, sizeof parts, "parts-%s", cases[i].name);
        options[1] = "2";
        check_fails(small_train(&the_world, parts, false, 7, options), PKM_ERR_CANCELLED, "step 7",
                    NULL);
        check_ok(small_train(&the_world, parts, true, 0, options));
        assert_true(small_same_run(&the_world, whole, parts));
        for (int threads = 3; threads <= 4; threads++) {
            options[1] = threads == 3 ? "3" : "4";
            snprintf(more, sizeof more, "threads-%d-%s", threads, cases[i].name);
            check_ok(small_train(&the_world, more, false, 0, options));
            assert_true(small_same_run(&the_world, whole, more));
        }
    }
}

static void test_learns(void **state)
{
    static const char *const longer[] = {"steps",     "150", "dropout",    "0", "lr", "0.01",
                                         "precision", "f32", "eval_every", "0", NULL};
    double first, last;

    (void)state;
    check_ok(small_train(&the_world, "learns", false, 0, longer));
    first = small_run_logged(&the_world, "learns", 0, "loss");
    last = small_run_logged(&the_world, "learns", 149, "loss");
    /* ln 320 = 5.77 before anything is learnt; the text has about 20 equally likely words. */
    assert_true(first > 5.4 && first < 6.2);
    assert_true(last < 3.5);
}

/* Four sequences at once, and two and two: the same up to rounding. */
static void test_accumulation_is_the_same_step(void **state)
{
    static const char *const at_once[] = {"batch",     "4",   "grad_accum", "1",
                                          "precision", "f32", "query_norm", "layer",
                                          "dropout",   "0",   NULL};
    static const char *const halves[] = {"batch",     "2",   "grad_accum", "2",
                                         "precision", "f32", "query_norm", "layer",
                                         "dropout",   "0",   NULL};

    (void)state;
    check_ok(small_train(&the_world, "at-once", false, 0, at_once));
    check_ok(small_train(&the_world, "halves", false, 0, halves));
    for (int line = 0; line < 5; line++) {
        double a = small_run_logged(&the_world, "at-once", line, "loss"),
               b = small_run_logged(&the_world, "halves", line, "loss");

        assert_true(a - b < 1e-4 && b - a < 1e-4);
    }
}

/* Values in a mapped file: the same run, also when it is resumed, and nothing left behind. */
static void test_mapped_values(void **state)
{
    static const char *const plain[] = {"memory_layers", "0,1", NULL};
    static const char *const mapped[] = {"memory_layers", "0,1", "map_values", "true", NULL};
    char *scratch = small_run_path(&the_world, "mapped", ".values-0");

    (void)state;
    check_ok(small_train(&the_world, "in-memory", false, 0, plain));
    check_fails(small_train(&the_world, "mapped", false, 7, mapped), PKM_ERR_CANCELLED, "step 7",
                NULL);
    assert_false(pkm_file_exists(scratch));
    check_ok(pkm_file_write(scratch, "of a killed process", 19));
    check_ok(small_train(&the_world, "mapped", true, 0, mapped));
    assert_false(pkm_file_exists(scratch));
    assert_true(small_same_run(&the_world, "in-memory", "mapped"));
    pkm_free(scratch);
}

static void test_every_variant_trains(void **state)
{
    static const char *const variants[][11] = {
        {"memory_layers", "0,1", "shared_values", "true", "memory_mode", "add", NULL},
        {"query_norm", "layer", "gate", "relu", "value_dim", "16", NULL},
        {"query_norm", "none", "gate", "raw", "output_gate", "swilu", NULL},
        {"value_dtype", "bf16", "value_optimizer", "adagrad", "value_clip", "1", NULL},
        {"value_dtype", "bf16", "value_optimizer", "adam_row", NULL},
        {"value_optimizer", "sgd", "value_lr", "0.1", "schedule", "rsqrt", NULL},
        {"memory_heads", "1", "topk", "8", "grad_accum", "2", NULL},
        {"memory_layers", "", "schedule", "constant", NULL},
        {"key_kind", "flat", "topk", "20", "memory_layers", "0,1", "shared_values", "true", NULL},
        {"key_kind", "flat", "precision", "f32", "query_norm", "layer", "grad_accum", "2", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        char run[32];

        snprintf(run, sizeof run, "variant-%zu", i);
        check_ok(small_train(&the_world, run, false, 0, variants[i]));
        assert_true(small_run_logged(&the_world, run, 11, "loss") < 6.5);
    }
}

static void test_refusals(void **state)
{
    static const char *const wider[] = {"dim", "64", NULL};
    static const char *const both[] = {"tokens", "1000", NULL};
    static const char *const narrow[] = {"topk", "9", NULL};
    static const char *const flat[] = {"key_kind", "flat", NULL};
    static const char *const flat_huge[] = {"key_kind", "flat", "n_keys", "20000", NULL};
    char *folder = small_world_run(&the_world, "no-folder");
    static const char *const huge[] = {"n_keys", "8000", "dim", "1024", NULL};

    (void)state;
    check_fails(small_train(&the_world, "refused", false, 0, both), PKM_ERR_ARG, "tokens", NULL);
    check_fails(small_train(&the_world, "refused", false, 0, huge), PKM_ERR_NOMEM, "GiB", NULL);
    check_fails(small_train(&the_world, "refused", false, 0, flat_huge), PKM_ERR_NOMEM, "GiB",
                NULL);
    check_fails(small_train(&the_world, "no-folder", false, 0, narrow), PKM_ERR_ARG, "topk", NULL);
    assert_false(pkm_directory_exists(folder));
    pkm_free(folder);
    check_ok(small_train(&the_world, "refused", false, 0, NULL));
    check_fails(small_train(&the_world, "refused", false, 0, NULL), PKM_ERR_STATE, "--resume",
                NULL);
    check_fails(small_train(&the_world, "refused", true, 0, wider), PKM_ERR_ARG, "dim", NULL);
    check_fails(small_train(&the_world, "refused", true, 0, flat), PKM_ERR_ARG, "key_kind", NULL);
}

/* A damaged newest checkpoint is set aside, even if it is the only one beside the best. */
static void test_falls_back(void **state)
{
    static const char *const keep_one[] = {"keep_checkpoints", "1", NULL};
    char *path = small_world_run(&the_world, "fall/checkpoints/step-00000011/model.safetensors");
    char *aside = small_world_run(&the_world, "fall/checkpoints/damaged-00000011");

    (void)state;
    check_fails(small_train(&the_world, "fall", false, 11, keep_one), PKM_ERR_CANCELLED, "step 11",
                NULL);
    check_ok(pkm_file_write(path, "cut", 3));
    check_ok(small_train(&the_world, "fall", true, 0, NULL));
    assert_true(pkm_directory_exists(aside));
    check_ok(small_train(&the_world, "straight", false, 0, NULL));
    assert_true(small_same_run(&the_world, "straight", "fall"));
    pkm_free(path);
    pkm_free(aside);
}

static void set_pointer(const char *name, const char *text)
{
    char *path = small_world_run(&the_world, name);

    check_ok(pkm_file_write(path, text, strlen(text)));
    pkm_free(path);
}

/* As if killed between a checkpoint and its pointers; then the best one is lost. */
static void test_resume_repairs_pointers(void **state)
{
    static const char *const more[] = {"steps", "13", "eval_every", "0", NULL};
    static const char *const unscored[] = {"eval_every", "0", NULL};
    char *step_6 = small_world_run(&the_world, "pointers/checkpoints/step-00000006");
    char *best = small_world_run(&the_world, "pointers/checkpoints/best"), *text;
    size_t bytes;

    (void)state;
    check_fails(small_train(&the_world, "pointers", false, 11, NULL), PKM_ERR_CANCELLED, "11",
                NULL);
    set_pointer("pointers/checkpoints/best", "step-00000005\n");
    set_pointer("pointers/checkpoints/last", "step-00000005\n");
    check_ok(small_train(&the_world, "pointers", true, 0, unscored));
    text = small_run_file(&the_world, "pointers", "checkpoints/best", &bytes);
    assert_string_equal(text, "step-00000006\n");
    check_ok(pkm_directory_remove(step_6));
    check_ok(small_train(&the_world, "pointers", true, 0, more));
    assert_false(pkm_file_exists(best));
    pkm_free(text);
    pkm_free(best);
    pkm_free(step_6);
}

/* What a training was told to take, and what single requests came to, but for small ones. */
typedef struct plan_watch {
    uint64_t planned;
    size_t least, asked;
} plan_watch;

static bool sum_large(size_t bytes, void *user)
{
    plan_watch *watch = user;

    if (bytes > watch->least)
        watch->asked += bytes;
    return false;
}

/* Requests of the first evaluation alone: from the step before it on. */
static int watch_plan(const pkm_train_event *event, void *user)
{
    plan_watch *watch = user;

    if (event->kind == PKM_EVENT_PLAN)
        watch->planned = event->memory_bytes;
    if (event->kind == PKM_EVENT_STEP && event->step == 1)
        pkm_alloc_set_hook(sum_large, watch);
    if (event->kind == PKM_EVENT_EVAL)
        pkm_alloc_set_hook(NULL, NULL);
    return 0;
}

/* The counts of how a memory is read, which an evaluation makes hours after the start and which can
 * be larger than the table, are in the plan. */
static void test_plan_knows_evaluations(void **state)
{
    enum { HEADS = 16, SLOTS = 256 * 256 };
    static const char *const with[] = {"memory_heads", "16", "n_keys", "256", "steps", "2",
                                       "eval_every",   "2",  NULL};
    static const char *const without[] = {"memory_heads", "16", "n_keys", "256", "steps", "2",
                                          "eval_every",   "0",  NULL};
    plan_watch evaluating = {.least = SLOTS * sizeof(double)}, training = evaluating;
    char *out = small_world_run(&the_world, "planned");

    (void)state;
    check_ok(small_train_watched(&the_world, out, false, watch_plan, &evaluating, with));
    pkm_alloc_set_hook(NULL, NULL);
    pkm_free(out);
    out = small_world_run(&the_world, "unevaluated");
    check_ok(small_train_watched(&the_world, out, false, watch_plan, &training, without));
    pkm_alloc_set_hook(NULL, NULL);
    pkm_free(out);
    assert_int_equal(evaluating.asked, 17 * HEADS * SLOTS);
    assert_true(evaluating.planned > training.planned + evaluating.asked);
}

/* ---- a run folder that goes while it is trained in ---- */

typedef struct removal {
    const char *out;
    bool retaken;         /* by another training */
    pkm_run_folder other; /* which holds it */
    int warnings;
} removal;

static int remove_run(const pkm_train_event *event, void *user)
{
    removal *r = user;

    r->warnings += event->kind == PKM_EVENT_WARNING;
    if (event->kind == PKM_EVENT_STEP && event->step == 7) {
        check_ok(pkm_directory_remove(r->out));
        if (r->retaken)
            check_ok(pkm_run_folder_open(&r->other, r->out, false));
    }
    return 0;
}

/* It is begun anew, and is whole; unless another training was quicker, whose folder it is then. */
static void test_removed_folder(void **state)
{
    static const char *const options[] = {"eval_every", "0", NULL};
    char *out = small_world_run(&the_world, "removed"),
         *others = small_world_run(&the_world, "retaken");
    removal removed = {.out = out}, retaken = {.out = others, .retaken = true};
    int64_t *steps;
    size_t count;

    (void)state;
    check_ok(small_train_watched(&the_world, out, false, remove_run, &removed, options));
    assert_int_equal(removed.warnings, 1);
    check_ok(pkm_verify(out, NULL, NULL));
    check_fails(small_train_watched(&the_world, others, false, remove_run, &retaken, options),
                PKM_ERR_STATE, "another training is using", others, NULL);
    check_ok(pkm_run_folder_steps(&retaken.other, &steps, &count));
    assert_int_equal(count, 0);
    pkm_free(steps);
    pkm_run_folder_close(&retaken.other);
    pkm_free(out);
    pkm_free(others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_lr),
        cmocka_unit_test(test_resume_to_the_bit),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_accumulation_is_the_same_step),
        cmocka_unit_test(test_mapped_values),
        cmocka_unit_test(test_every_variant_trains),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_falls_back),
        cmocka_unit_test(test_resume_repairs_pointers),
        cmocka_unit_test(test_plan_knows_evaluations),
        cmocka_unit_test(test_removed_folder),
    };

    return cmocka_run_group_tests(tests, the_world_create, the_world_destroy);
}
