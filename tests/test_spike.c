/* SPDX-License-Identifier: Apache-2.0 */
/* A step that is finite but far from those before: what counts as one, and what follows. */
#include <string.h>

#include "base/threads.h"
#include "support/check.h"
#include "support/scene.h"
#include "train/health.h"

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

/* Whether or not steps were passed over before it. */
static void test_means_begin_with_the_first_loss(void **state)
{
    (void)state;
    for (int64_t skipped = 0; skipped < 3; skipped++) {
        pkm_train_state first = {.step = skipped, .skipped = skipped};

        pkm_health_observe(&first, 5.5, 2);
        assert_true(first.smoothed_loss == 5.5 && first.smoothed_norm == 2);
        assert_true(first.loss_deviation == 0 && first.observed == 1);
    }
}

/* A gradient that leaps once after 110 healthy steps. */
static void test_spike_policies(void **state)
{
    static const char *const warn[] = {"eval_every", "0", "steps", "150", NULL};
    static const char *const skip[] = {"eval_every", "0", "steps", "150", "on_spike", "skip", NULL};
    static const char *const off[] = {"eval_every", "0", "steps", "150", "spike_factor", "0", NULL};
    const run_scene fate = {.hurt_step = 111, .good_order = 1, .gradient = 100};
    run_scene warned = fate, skipped = fate, parts = fate, without = fate, by_hand = {0};

    (void)state;
    check_ok(pkm_threads_set(1));
    scene_play(&warned, &the_world, "warned", warn, "rewind");
    assert_true(warned.spikes == 1 && warned.skips == 0 && warned.rewinds == 0);
    assert_true(warned.from_step == 111 && warned.step == 111);
    assert_non_null(strstr(warned.reason, "the gradient explodes"));
    scene_play(&skipped, &the_world, "spike-skipped", skip, "stop");
    assert_true(skipped.spikes == 0 && skipped.skips == 1);
    scene_open(&by_hand, &the_world, "spike-by-hand", false, warn, "stop");
    scene_by_hand(&by_hand, 111, 150);
    check_same_scenes(&skipped, &by_hand);
    parts.stop_at = 105; /* what spikes are told by goes through the checkpoint */
    scene_open(&parts, &the_world, "spike-parts", false, skip, "stop");
    check_fails(scene_go(&parts), PKM_ERR_CANCELLED, "step 105", NULL);
    scene_close(&parts);
    parts = fate;
    scene_open(&parts, &the_world, "spike-parts", true, skip, "stop");
    check_ok(scene_go(&parts));
    check_same_scenes(&skipped, &parts);
    check_same_log(&the_world, "spike-skipped", "spike-parts");
    scene_play(&without, &the_world, "spike-off", off, "stop");
    assert_true(without.spikes == 0 && without.skips == 0);
    scene_close(&warned);
    scene_close(&skipped);
    scene_close(&parts);
    scene_close(&without);
    scene_close(&by_hand);
}

/* By default nothing is said of a run that learns, nor of one with steps of 8 tokens. Queries are
 * normalised one by one: statistics over so few rows make gradients leap where these hardly differ.
 */
static void test_healthy_runs_have_none(void **state)
{
    static const char *const learns[] = {"eval_every", "0",          "steps", "400", "lr",
                                         "0.01",       "query_norm", "layer", NULL};
    static const char *const noisy[] = {"eval_every", "0",          "steps", "1500", "batch",
                                        "1",          "query_norm", "layer", NULL};
    run_scene calm = {0}, rough = {0};

    (void)state;
    check_ok(pkm_threads_set(1));
    scene_play(&calm, &the_world, "calm", learns, "stop");
    scene_play(&rough, &the_world, "rough", noisy, "stop");
    assert_true(calm.spikes == 0 && rough.spikes == 0);
    scene_close(&calm);
    scene_close(&rough);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_spike_is),
        cmocka_unit_test(test_means_begin_with_the_first_loss),
        cmocka_unit_test(test_spike_policies),
        cmocka_unit_test(test_healthy_runs_have_none),
    };

    return cmocka_run_group_tests(tests, the_world_create, the_world_destroy);
}
