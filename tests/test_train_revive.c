/* SPDX-License-Identifier: Apache-2.0 */
/* --revive-every in training: the same bits for any threads and stops, what is told and logged; and
 * the warning of a memory whose usage collapses. */
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"
#include "support/run.h"
#include "support/scene.h"
#include "train/collapse.h"
#include "train/revival.h"

/* 1024 slots, of which a step reads a few. */
#define REVIVING "n_keys", "32", "revive_every", "5", "revive_below", "0.5"

static const char *const variants[][15] = {
    {REVIVING, "memory_layers", "0,1", "shared_values", "true", "memory_mode", "add", NULL},
    {REVIVING, "query_norm", "layer", "gate", "relu", "value_dim", "16", NULL},
    {REVIVING, "query_norm", "none", "gate", "raw", "output_gate", "swilu", NULL},
    {REVIVING, "value_dtype", "bf16", "value_optimizer", "adagrad", "precision", "f32", NULL},
    {REVIVING, "value_dtype", "bf16", "value_optimizer", "adam_row", "map_values", "true", NULL},
    {REVIVING, "value_optimizer", "sgd", "grad_accum", "2", "batch", "2", NULL},
    {REVIVING, "memory_layers", "0,1", "key_dim", "10", NULL},
    {REVIVING, "memory_layers", "0,1", "shared_values", "true", "key_kind", "flat", NULL},
};

/* Lines 5 and 11 (of steps 5 and 10, after the evaluation of step 6) tell what was revived. */
static void check_log(const char *run, int n_memories)
{
    static const int lines[] = {5, 12};

    for (int i = 0; i < 2; i++) {
        json_t *line = small_run_line(&the_world, run, lines[i]);
        const json_t *revived = json_object_get(line, "revived");
        json_int_t keys = 0, slots = 0;

        assert_int_equal(json_integer_value(json_object_get(line, "step")), 5 * (i + 1));
        assert_int_equal(json_array_size(revived), n_memories);
        for (size_t m = 0; m < json_array_size(revived); m++) {
            keys += json_integer_value(json_object_get(json_array_get(revived, m), "keys"));
            slots += json_integer_value(json_object_get(json_array_get(revived, m), "slots"));
        }
        assert_true(keys > 0 && slots > 0);
        json_decref(line);
    }
}

/* Stops within a window, and at its end, before what is dead is revived. */
static void test_same_bits(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof variants / sizeof variants[0]; v++) {
        char runs[4][16];
        const char *options[17] = {"threads", "1"};

        for (int i = 0; i < 15 && variants[v][i] != NULL; i++)
            options[i + 2] = variants[v][i];
        for (int i = 0; i < 4; i++)
            snprintf(runs[i], sizeof runs[i], "bits-%d-%d", (int)v, i);
        check_ok(small_train(&the_world, runs[0], false, 0, options));
        check_log(runs[0], strcmp(variants[v][6], "memory_layers") == 0 ? 2 : 1);
        for (int i = 1; i < 4; i++) {
            static const int stops[] = {0, 8, 5, 10};
            static const char *const threads[] = {"1", "2", "3", "4"};

            options[1] = threads[i];
            check_fails(small_train(&the_world, runs[i], false, stops[i], options),
                        PKM_ERR_CANCELLED, "stopped", NULL);
            check_ok(small_train(&the_world, runs[i], true, 0, options));
            assert_true(small_same_run(&the_world, runs[0], runs[i]));
        }
    }
}

/* Back to step 5 with its whole window, and to the start with an empty one. */
static void test_rewinds(void **state)
{
    static const char *const options[] = {REVIVING, "eval_every", "0", NULL};
    static const int64_t hurt[] = {8, 4};

    (void)state;
    for (int i = 0; i < 2; i++) {
        run_scene rewound = {.hurt_step = hurt[i], .good_order = 1, .hurt_weight = true};
        run_scene given = {.stop_at = 5};
        const char *const names[] = {i == 0 ? "rewound" : "to-start",
                                     i == 0 ? "given" : "from-start"};

        scene_play(&rewound, &the_world, names[0], options, "rewind");
        assert_int_equal(rewound.rewinds, 1);
        if (i == 0) {
            scene_open(&given, &the_world, names[1], false, options, "stop");
            check_fails(scene_go(&given), PKM_ERR_CANCELLED, "step 5", NULL);
            scene_close(&given);
        }
        given = (run_scene){0};
        scene_open(&given, &the_world, names[1], i == 0, options, "stop");
        given.trainer->batches.order = 1;
        check_ok(scene_go(&given));
        check_same_scenes(&rewound, &given);
        scene_close(&rewound);
        scene_close(&given);
    }
}

/* A step that is passed over reads nothing. */
static void test_skipped_steps_do_not_count(void **state)
{
    static const char *const options[] = {REVIVING, "eval_every", "0", NULL};
    run_scene skipped = {.hurt_step = 3, .good_order = 1, .stop_at = 3};
    run_scene before = {.stop_at = 2};
    float *reads;
    int64_t slots;

    (void)state;
    scene_open(&skipped, &the_world, "skipped", false, options, "skip");
    check_fails(scene_go(&skipped), PKM_ERR_CANCELLED, "step 3", NULL);
    assert_int_equal(skipped.skips, 1);
    scene_open(&before, &the_world, "before", false, options, "skip");
    check_fails(scene_go(&before), PKM_ERR_CANCELLED, "step 2", NULL);
    reads = pkm_store_reads(before.trainer->gpt->stores[0])->window;
    slots = pkm_store_config_of(before.trainer->gpt->stores[0])->slots;
    assert_memory_equal(reads, pkm_store_reads(skipped.trainer->gpt->stores[0])->window,
                        (size_t)slots * sizeof *reads);
    assert_memory_equal(pkm_memory_layer_reads(before.trainer->gpt->memories[0])->window,
                        pkm_memory_layer_reads(skipped.trainer->gpt->memories[0])->window,
                        (size_t)2 * 2 * 32 * sizeof(float));
    scene_close(&skipped);
    scene_close(&before);
}

/* A run may begin to revive, and cease to. */
static void test_turned_on_and_off(void **state)
{
    static const char *const plain[] = {"n_keys", "32", NULL};
    static const char *const on[] = {"n_keys", "32", "revive_every", "2", NULL};
    static const char *const off[] = {"n_keys", "32", "revive_every", "0", NULL};

    (void)state;
    check_fails(small_train(&the_world, "turned", false, 3, plain), PKM_ERR_CANCELLED, "3", NULL);
    check_fails(small_train(&the_world, "turned", true, 7, on), PKM_ERR_CANCELLED, "7", NULL);
    check_ok(small_train(&the_world, "turned", true, 0, off));
}

/* Below 3 % of what could be read, or half of the most: told once. */
static void test_collapse(void **state)
{
    static const struct {
        double used[4], readable;
        int told; /* by which of them; -1: by none */
    } cases[] = {
        {{0.9, 0.5, 0.46, 0.47}, 1, -1}, {{0.5, 0.6, 0.29, 0.1}, 1, 2},
        {{0.02, 0.02, 0, 0}, 1, 0},      {{0.02, 0.02, 0.03, 0.03}, 0.1, -1},
        {{1, 0.49, 0.01, 1}, 1, 1},
    };
    static const pkm_train_options options = {.query_norm = PKM_NORM_NONE},
                                   others = {.revive_every = 5};
    char sentence[320];

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        pkm_collapse collapse = {0};

        for (int i = 0; i < 4; i++) {
            pkm_usage usage = {.layer = 2, .used = cases[c].used[i]};

            assert_int_equal(pkm_collapse_observe(&collapse, sentence, sizeof sentence, &usage,
                                                  cases[c].readable, c == 4 ? &others : &options),
                             i == cases[c].told);
        }
        if (c == 1)
            assert_string_equal(sentence,
                                "memory 2: only 29 % of its slots are used, 60 % at best; "
                                "try --query-norm batch, a lower --key-lr or --lr, "
                                "--revive-every, or fewer slots (--n-keys)");
        if (c == 4)
            assert_string_equal(sentence, "memory 2: only 49 % of its slots are used, 1e+02 % at "
                                          "best; try a lower --key-lr or --lr, or fewer slots "
                                          "(--n-keys)");
    }
}

static int count_collapses(const pkm_train_event *event, void *user)
{
    int *count = user;

    *count += event->kind == PKM_EVENT_WARNING && strstr(event->path, "slots are used") != NULL;
    return 0;
}

/* Each memory is told of once, in a run in which hardly any slot can be chosen. */
static void test_collapse_is_told(void **state)
{
    static const char *const dying[] = {
        "memory_layers", "0,1", "n_keys",   "64",   "query_norm", "none", "lr",   "1", "clip", "0",
        "eval_every",    "1",   "on_spike", "warn", "steps",      "12",   "topk", "1", NULL};
    static const char *const well[] = {"memory_layers", "0,1", "eval_every", "1", NULL};
    char *out = small_world_run(&the_world, "dying"), *good = small_world_run(&the_world, "well");
    int count = 0;

    (void)state;
    check_ok(small_train_watched(&the_world, out, false, count_collapses, &count, dying));
    assert_int_equal(count, 2);
    count = 0;
    check_ok(small_train_watched(&the_world, good, false, count_collapses, &count, well));
    assert_int_equal(count, 0);
    pkm_free(out);
    pkm_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_rewinds),
        cmocka_unit_test(test_skipped_steps_do_not_count),
        cmocka_unit_test(test_turned_on_and_off),
        cmocka_unit_test(test_collapse),
        cmocka_unit_test(test_collapse_is_told),
    };

    return cmocka_run_group_tests(tests, the_world_create, the_world_destroy);
}
