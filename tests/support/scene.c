/* SPDX-License-Identifier: Apache-2.0 */
#include "support/scene.h"

#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "support/check.h"
#include "support/same_tree.h"
#include "support/state.h"

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
    if (event->kind == PKM_EVENT_STEP && event->step == scene->vanish_at &&
        scene->rewinds == scene->vanish_rewinds)
        _exit(0);
    return event->kind != PKM_EVENT_PLAN && event->step == scene->stop_at;
}

void scene_open(run_scene *scene, const small_world *world, const char *run, bool resume,
                const char *const *options, const char *on_nan)
{
    char *out = small_world_run(world, run);
    pkm_train_paths paths = {
        .data = world->data, .tokenizer = world->data, .out = out, .resume = resume};
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

pkm_status scene_go(run_scene *scene)
{
    pkm_train_result result;

    return pkm_trainer_run(scene->trainer, &result);
}

void scene_play(run_scene *scene, const small_world *world, const char *run,
                const char *const *options, const char *on_nan)
{
    scene_open(scene, world, run, false, options, on_nan);
    check_ok(scene_go(scene));
}

void check_same_scenes(const run_scene *a, const run_scene *b)
{
    model_state state_a, state_b;

    state_keep(&state_a, a->trainer->gpt);
    state_keep(&state_b, b->trainer->gpt);
    check_models_same(&state_a, &state_b);
    state_release(&state_a);
    state_release(&state_b);
}

void scene_close(run_scene *scene)
{
    pkm_trainer_destroy(scene->trainer);
}

void scene_by_hand(run_scene *scene, int64_t left_out, int64_t last)
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

void check_same_log(const small_world *world, const char *run_a, const char *run_b)
{
    char *a = small_run_path(world, run_a, "metrics.jsonl");
    char *b = small_run_path(world, run_b, "metrics.jsonl");

    assert_true(same_file(a, b));
    pkm_free(a);
    pkm_free(b);
}
