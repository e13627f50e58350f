/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop: step, log, evaluate, save; the public face of src/train. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/system.h"
#include "base/threads.h"
#include "train/health.h"
#include "train/recover.h"
#include "train/revival.h"
#include "train/save.h"

/* What the loop keeps beside the trainer. */
typedef struct train_loop {
    pkm_trainer *trainer;
    double wall_before;  /* seconds of training before this process took over */
    uint64_t start_ns;   /* of this process's training */
    uint64_t other_ns;   /* since then spent on evaluation and saving */
    uint64_t rate_ns;    /* training time at the last reading of the rate */
    int64_t rate_tokens; /* tokens then */
    double tok_per_s;    /* at the last reading */
    bool log_failed;     /* the last line could not be written */
    bool stop;           /* a callback asked to */
} train_loop;

static uint64_t training_ns(const train_loop *loop)
{
    return pkm_clock_ns() - loop->start_ns - loop->other_ns;
}

static double wall_seconds(const train_loop *loop)
{
    return loop->wall_before + (double)(pkm_clock_ns() - loop->start_ns) * 1e-9;
}

/* The fields every event has. */
static pkm_train_event describe(const train_loop *loop)
{
    const pkm_trainer *trainer = loop->trainer;
    int64_t left = trainer->plan.steps - trainer->state.step;
    double tokens_left = (double)left * (double)trainer->plan.tokens_per_step;

    return (pkm_train_event){
        .step = trainer->state.step,
        .steps = trainer->plan.steps,
        .tokens = trainer->state.tokens,
        .loss = trainer->last_loss,
        .smoothed_loss = trainer->state.smoothed_loss,
        .val_loss = trainer->val_loss,
        .tok_per_s = loop->tok_per_s,
        .wall = wall_seconds(loop),
        .seconds_left = loop->tok_per_s > 0 ? tokens_left / loop->tok_per_s : 0,
        .rss_mb = (double)pkm_memory_resident() * 1e-6,
    };
}

static void tell(train_loop *loop, const pkm_train_event *event)
{
    pkm_trainer *trainer = loop->trainer;

    if (trainer->callback != NULL && trainer->callback(event, trainer->user) != 0)
        loop->stop = true;
}

/* True when `every` (0: never) divides the step. */
static bool due(int64_t step, int64_t every)
{
    return every > 0 && step % every == 0;
}

static void update_rate(train_loop *loop)
{
    uint64_t now = training_ns(loop);
    const uint64_t shortest = 200000000; /* a fifth of a second: shorter readings are noise */

    if (now - loop->rate_ns < shortest && loop->tok_per_s > 0)
        return;
    loop->tok_per_s = (double)(loop->trainer->state.tokens - loop->rate_tokens) /
                      ((double)(now - loop->rate_ns) * 1e-9);
    loop->rate_ns = now;
    loop->rate_tokens = loop->trainer->state.tokens;
}

/* A line that cannot be written is left out: training goes on, and hears of it once. */
static void log_line(train_loop *loop, const pkm_train_event *event)
{
    bool failed = pkm_train_log_write(&loop->trainer->log, event) != PKM_OK;

    if (failed && !loop->log_failed)
        pkm_trainer_warn(loop->trainer, pkm_last_error());
    loop->log_failed = failed;
}

/* Tells and logs what is out of the ordinary. */
static void report(train_loop *loop, const pkm_train_event *event)
{
    tell(loop, event);
    log_line(loop, event);
}

/* After a failure: by the policy the step is passed over, or the run goes back; or it ends here. */
static pkm_status recover(train_loop *loop, pkm_status status, pkm_fault fault)
{
    pkm_trainer *trainer = loop->trainer;
    pkm_recovery done;
    pkm_train_event event;

    PKM_TRY(pkm_trainer_recover(trainer, &done, status, fault));
    loop->rate_ns = training_ns(loop);
    loop->rate_tokens = trainer->state.tokens;
    event = describe(loop);
    event.kind = done.kind;
    event.from_step = done.from_step;
    event.path = done.reason;
    report(loop, &event);
    return PKM_OK;
}

/* A gathered step that is a spike fails, or is only told of. */
static pkm_status judge(train_loop *loop, pkm_step_result *result)
{
    pkm_trainer *trainer = loop->trainer;
    pkm_train_event event = describe(loop);
    pkm_status status = pkm_health_spike(&trainer->state, trainer->values->spike_factor,
                                         result->loss, result->grad_norm);

    if (status == PKM_OK)
        return PKM_OK;
    if (trainer->values->on_spike != PKM_POLICY_WARN) {
        result->fault = PKM_FAULT_SPIKE;
        pkm_trainer_drop(trainer);
        return status;
    }
    event.kind = PKM_EVENT_SPIKE;
    event.from_step = ++event.step;
    event.tokens += trainer->plan.tokens_per_step;
    event.path = pkm_last_error();
    report(loop, &event);
    return PKM_OK;
}

/* Before the step that follows a window: what was not read in it is revived. */
static void revive(train_loop *loop)
{
    const pkm_trainer *trainer = loop->trainer;
    const pkm_train_options *values = trainer->values;
    const pkm_revive_rule rule = {values->revive_below, (uint64_t)values->seed,
                                  trainer->state.step};
    pkm_revived revived[PKM_LIST_MAX];
    pkm_train_event event = describe(loop);

    if (trainer->gpt->n_memories == 0 || trainer->state.step == 0 ||
        !due(trainer->state.step, values->revive_every))
        return;
    pkm_revival_run(revived, trainer->gpt, &rule);
    event.kind = PKM_EVENT_REVIVED;
    event.revived = revived;
    event.n_revived = trainer->gpt->n_memories;
    report(loop, &event);
}

/* One step and its line in the log. */
static pkm_status advance(train_loop *loop)
{
    pkm_trainer *trainer = loop->trainer;
    pkm_train_state *state = &trainer->state;
    pkm_step_result result;
    pkm_train_event event;
    pkm_status status = pkm_trainer_gather(trainer, &result);

    if (status == PKM_OK)
        status = judge(loop, &result);
    if (status == PKM_OK)
        status = pkm_trainer_update(trainer, &result);
    if (status != PKM_OK) {
        pkm_error_prefix("step %lld", (long long)state->step + 1);
        return recover(loop, status, result.fault);
    }
    pkm_health_observe(state, result.loss, result.grad_norm);
    state->step++;
    state->tokens += trainer->plan.tokens_per_step;
    state->skipped_in_row = 0;
    trainer->last_loss = result.loss;
    update_rate(loop);
    event = describe(loop);
    event.kind = PKM_EVENT_STEP;
    event.lr = result.lr;
    event.grad_norm = result.grad_norm;
    tell(loop, &event);
    if (due(state->step, trainer->values->log_every))
        log_line(loop, &event);
    return PKM_OK;
}

/* Tells of memories whose usage collapsed. */
static void watch_usage(train_loop *loop, const pkm_usage *usage, int n_usage, int64_t tokens)
{
    pkm_trainer *trainer = loop->trainer;
    const pkm_memory_config *memory = &trainer->gpt->config.memory;
    double reads = (double)tokens * (double)memory->heads * (double)memory->topk;
    char sentence[320];
    int at = 0;

    if (trainer->state.step <= trainer->plan.schedule.warmup)
        return;
    for (int i = 0; i < n_usage; i++)
        if (usage[i].head < 0 &&
            pkm_collapse_observe(&trainer->collapse[at++], sentence, sizeof sentence, &usage[i],
                                 fmin(1, reads / (double)usage[i].slots), trainer->values))
            pkm_trainer_warn(trainer, sentence);
}

/* Scores the held-out side; *best tells whether it was never better. */
static pkm_status evaluate(train_loop *loop, bool *best)
{
    pkm_trainer *trainer = loop->trainer;
    pkm_score_source source = {
        .data = trainer->val_data,
        .n_tokens = pkm_data_tokens(trainer->val_data),
    };
    pkm_score_sums sums = {0};
    pkm_usage *usage = NULL;
    pkm_train_event event;
    int n_usage;
    pkm_status status;

    status = pkm_score_usage_start(trainer->gpt);
    if (status == PKM_OK)
        status = pkm_scorer_run(&trainer->scorer, &sums, &source, trainer->values->eval_tokens,
                                NULL, NULL);
    if (status == PKM_OK)
        status = pkm_score_usage_finish(trainer->gpt, &usage, &n_usage);
    if (status != PKM_OK) { /* the training may go on, and counts nothing */
        pkm_score_usage_stop(trainer->gpt);
        return status;
    }
    trainer->val_loss = sums.loss / (double)sums.tokens;
    *best = trainer->val_loss < trainer->state.best_val_loss;
    if (*best) {
        trainer->state.best_val_loss = trainer->val_loss;
        trainer->state.best_step = trainer->state.step;
    }
    event = describe(loop);
    event.kind = PKM_EVENT_EVAL;
    event.usage = usage;
    event.n_usage = n_usage;
    tell(loop, &event);
    log_line(loop, &event);
    watch_usage(loop, usage, n_usage, sums.tokens);
    pkm_free(usage);
    return PKM_OK;
}

static pkm_status save(train_loop *loop, bool must)
{
    pkm_trainer *trainer = loop->trainer;
    pkm_train_event event;
    bool saved;
    char *dir;

    PKM_TRY(pkm_health_check(trainer->gpt));
    trainer->state.wall = wall_seconds(loop);
    PKM_TRY(pkm_trainer_save(trainer, must, &saved));
    if (!saved)
        return PKM_OK;
    PKM_TRY(pkm_run_folder_step(&trainer->folder, &dir, trainer->state.step));
    event = describe(loop);
    event.kind = PKM_EVENT_CHECKPOINT;
    event.path = dir;
    tell(loop, &event);
    pkm_free(dir);
    return PKM_OK;
}

/* What is due after a step: evaluation, checkpoint; at the end, both. A model that is not finite is
 * neither scored nor saved; one whose steps are being passed over may be beyond help, and should
 * not push older checkpoints out. */
static pkm_status settle(train_loop *loop)
{
    pkm_trainer *trainer = loop->trainer;
    const pkm_train_options *values = trainer->values;
    int64_t step = trainer->state.step;
    bool last = step >= trainer->plan.steps, best = false;
    bool sound = trainer->state.skipped_in_row == 0;
    uint64_t before = pkm_clock_ns();
    pkm_status status = PKM_OK;

    if (trainer->scorer.tape != NULL && (last || due(step, values->eval_every)))
        status = evaluate(loop, &best);
    if (status == PKM_OK &&
        (last || best || loop->stop || (sound && due(step, values->checkpoint_every))))
        status = save(loop, last || loop->stop);
    loop->other_ns += pkm_clock_ns() - before;
    if (status == PKM_ERR_NUMERIC) {
        pkm_error_prefix("after step %lld", (long long)step);
        return recover(loop, status, PKM_FAULT_MODEL);
    }
    return status;
}

static void tell_finished(const pkm_trainer *trainer)
{
    char sentence[160];

    snprintf(sentence, sizeof sentence,
             "nothing to do: %lld of %lld steps are done; more --steps, --tokens or --epochs would "
             "go on",
             (long long)trainer->state.step, (long long)trainer->plan.steps);
    pkm_trainer_warn(trainer, sentence);
}

static pkm_status run(train_loop *loop)
{
    pkm_trainer *trainer = loop->trainer;

    if (trainer->state.step >= trainer->plan.steps)
        tell_finished(trainer);
    loop->wall_before = trainer->state.wall;
    loop->start_ns = pkm_clock_ns();
    loop->rate_tokens = trainer->state.tokens;
    while (trainer->state.step < trainer->plan.steps) {
        int64_t before = trainer->state.step;

        revive(loop);
        PKM_TRY(advance(loop));
        if (trainer->state.step > before) /* not back at a checkpoint */
            PKM_TRY(settle(loop));
        if (loop->stop && trainer->state.step < trainer->plan.steps) {
            if (trainer->saved_step != trainer->state.step)
                PKM_TRY(save(loop, true));
            return pkm_fail(PKM_ERR_CANCELLED, "training was stopped at step %lld and saved",
                            (long long)trainer->state.step);
        }
    }
    return PKM_OK;
}

pkm_status pkm_trainer_run(pkm_trainer *trainer, pkm_train_result *out)
{
    train_loop loop = {.trainer = trainer};
    pkm_status status = run(&loop);

    if (status == PKM_OK || status == PKM_ERR_CANCELLED)
        *out = (pkm_train_result){
            .step = trainer->state.step,
            .tokens = trainer->state.tokens,
            .loss = trainer->last_loss,
            .val_loss = trainer->val_loss,
            .best_val_loss = trainer->state.best_val_loss,
            .tok_per_s = loop.tok_per_s,
        };
    return status;
}

pkm_status pkm_train(pkm_train_result *out, const pkm_train_paths *paths,
                     const pkm_option_set *options, pkm_train_callback callback, void *user)
{
    const pkm_train_options *values = pkm_options_values(options);
    pkm_trainer *trainer;
    pkm_status status;

    *out = (pkm_train_result){0};
    PKM_TRY(pkm_threads_set((int)values->threads));
    PKM_TRY(pkm_trainer_create(&trainer, paths, options, callback, user));
    status = pkm_trainer_run(trainer, out);
    pkm_trainer_destroy(trainer);
    return status;
}
