/* SPDX-License-Identifier: Apache-2.0 */
#include "train/save.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"

/* The run begins anew in its folder, which was removed or moved away: what stands under that name
 * now, if anything, may be another training's, and then refuses it. */
static pkm_status begin_anew(pkm_trainer *trainer)
{
    pkm_train_state *state = &trainer->state;
    pkm_run_folder folder;
    pkm_train_log log;
    int64_t missing;
    pkm_status status;

    PKM_TRY(pkm_run_folder_open(&folder, trainer->folder.dir, false));
    status = pkm_train_log_open(&log, folder.dir, trainer->values->tensorboard, 0, state->step,
                                &missing);
    if (status != PKM_OK) {
        pkm_run_folder_close(&folder);
        return status;
    }
    pkm_train_log_close(&trainer->log);
    pkm_run_folder_close(&trainer->folder);
    trainer->folder = folder;
    trainer->log = log;
    trainer->saved_step = trainer->saved_best_step = trainer->published_best = 0;
    trainer->saved_best_loss = INFINITY;
    if (state->best_step < state->step) {
        state->best_step = 0;
        state->best_val_loss = INFINITY;
    }
    pkm_trainer_warn(trainer, "the run folder was removed or moved away: it is begun anew, without "
                              "what was in it");
    return PKM_OK;
}

/* A checkpoint in its place, for good. */
static pkm_status save_checkpoint(pkm_trainer *trainer)
{
    char *dir;
    bool held;
    pkm_status status;

    PKM_TRY(pkm_run_folder_held(&trainer->folder, &held));
    if (!held)
        PKM_TRY(begin_anew(trainer));
    PKM_TRY(pkm_metrics_sync(&trainer->log.metrics));
    trainer->state.metrics_bytes = trainer->log.metrics.bytes;
    PKM_TRY(pkm_run_folder_step(&trainer->folder, &dir, trainer->state.step));
    status = pkm_checkpoint_save(dir, trainer->gpt, &trainer->state, trainer->tokenizer,
                                 trainer->tokenizer_bytes);
    pkm_free(dir);
    return status == PKM_OK ? pkm_run_folder_sync(&trainer->folder) : status;
}

/* The best evaluation is one that a checkpoint exists of. */
static void note(pkm_trainer *trainer, bool saved)
{
    pkm_train_state *state = &trainer->state;

    if (saved) {
        trainer->saved_step = state->step;
        trainer->saved_best_step = state->best_step;
        trainer->saved_best_loss = state->best_val_loss;
    } else {
        state->best_step = trainer->saved_best_step;
        state->best_val_loss = trainer->saved_best_loss;
    }
}

static pkm_status publish(pkm_trainer *trainer)
{
    const pkm_train_state *state = &trainer->state;

    PKM_TRY(pkm_run_folder_publish(&trainer->folder, state->step));
    if (state->best_step == trainer->published_best)
        return PKM_OK;
    PKM_TRY(pkm_run_folder_publish_best(&trainer->folder, state->best_step));
    trainer->published_best = state->best_step;
    return PKM_OK;
}

/* "step 12 <what>: <the last failure>" to whoever watches. */
static void warn(const pkm_trainer *trainer, const char *what)
{
    pkm_error_copy cause;
    char sentence[1280];

    pkm_error_keep(&cause);
    snprintf(sentence, sizeof sentence, "step %lld %s: %s", (long long)trainer->state.step, what,
             cause.message);
    pkm_trainer_warn(trainer, sentence);
}

/* Ends the training with the cause and what there is to go on from. */
static pkm_status give_up(const pkm_trainer *trainer, pkm_status status)
{
    pkm_error_copy cause;

    pkm_error_keep(&cause);
    if (trainer->saved_step > 0)
        return pkm_fail(status,
                        "saving step %lld failed: %s; the last good checkpoint is "
                        "%s/step-%08lld",
                        (long long)trainer->state.step, cause.message, trainer->folder.checkpoints,
                        (long long)trainer->saved_step);
    return pkm_fail(status, "saving step %lld failed: %s; there is no checkpoint yet",
                    (long long)trainer->state.step, cause.message);
}

void pkm_trainer_prune(const pkm_trainer *trainer)
{
    if (pkm_run_folder_prune(&trainer->folder, trainer->values->keep_checkpoints,
                             trainer->values->keep_every, trainer->state.best_step) != PKM_OK)
        warn(trainer, "is saved, but an older checkpoint could not be removed");
}

pkm_status pkm_trainer_save(pkm_trainer *trainer, bool must, bool *saved)
{
    pkm_status status = save_checkpoint(trainer);

    *saved = status == PKM_OK;
    note(trainer, *saved);
    if (*saved)
        status = publish(trainer);
    if (status == PKM_OK) {
        trainer->failed_saves = 0;
        pkm_trainer_prune(trainer);
        return PKM_OK;
    }
    if (pkm_error_errno() != ENOSPC && pkm_error_errno() != EDQUOT)
        trainer->failed_saves++;
    if (must || trainer->failed_saves >= 2)
        return give_up(trainer, status);
    warn(trainer, *saved ? "is saved, but not pointed to" : "is not saved, training goes on");
    return PKM_OK;
}
