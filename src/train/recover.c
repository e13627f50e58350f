/* SPDX-License-Identifier: Apache-2.0 */
#include "train/recover.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "train/moments.h"
#include "train/resume.h"

static pkm_policy policy_for(const pkm_train_options *values, pkm_fault fault)
{
    pkm_policy policy = (pkm_policy)(fault == PKM_FAULT_SPIKE ? values->on_spike : values->on_nan);

    if (fault == PKM_FAULT_OTHER || (fault == PKM_FAULT_MODEL && policy == PKM_POLICY_SKIP))
        return PKM_POLICY_STOP;
    if (fault == PKM_FAULT_DATA && policy == PKM_POLICY_REWIND)
        return PKM_POLICY_SKIP;
    return policy;
}

/* Ends the run with `reason` and what to do about it. */
static pkm_status give_up(const pkm_trainer *trainer, pkm_status status, pkm_fault fault,
                          const char *reason)
{
    const char *advice = trainer->values->on_nan == PKM_POLICY_STOP
                             ? "a lower --lr, a smaller --clip, --precision f32, or --on-nan skip "
                               "or rewind"
                             : "a lower --lr, a smaller --clip or --precision f32";

    if (fault == PKM_FAULT_DATA)
        return pkm_fail(status, "%s; make the data set anew%s", reason,
                        trainer->values->on_nan == PKM_POLICY_STOP
                            ? ", or pass over it with --on-nan skip"
                            : "");
    if (trainer->saved_step == 0)
        return pkm_fail(status, "%s; no checkpoint was saved before: try %s", reason, advice);
    return pkm_fail(status,
                    "%s; the newest checkpoint is that of step %lld: --resume goes on from it, "
                    "best with %s",
                    reason, (long long)trainer->saved_step, advice);
}

static void add_reason(pkm_recovery *recovery, const char *format, int count)
{
    size_t used = strlen(recovery->reason);

    snprintf(recovery->reason + used, sizeof recovery->reason - used, format, count);
}

static pkm_status skip(pkm_trainer *trainer, pkm_recovery *recovery, pkm_status status,
                       pkm_fault fault)
{
    pkm_train_state *state = &trainer->state;

    if (state->skipped_in_row == PKM_MOST_SKIPS) {
        add_reason(recovery, ", and the %d steps before it were passed over", PKM_MOST_SKIPS);
        return give_up(trainer, status, fault, recovery->reason);
    }
    recovery->kind = PKM_EVENT_SKIP;
    state->skipped++;
    state->skipped_in_row++;
    state->step++;
    state->tokens += trainer->plan.tokens_per_step;
    return PKM_OK;
}

/* The state and tensors of the newest checkpoint, or of the start; the run's options stay. */
static pkm_status go_back(pkm_trainer *trainer, char *options)
{
    char *checkpoint;
    pkm_status status;

    pkm_train_state_release(&trainer->state);
    trainer->state.best_val_loss = INFINITY;
    trainer->val_loss = NAN;
    status = pkm_resume_find(trainer, &checkpoint);
    pkm_free(trainer->state.options);
    trainer->state.options = options;
    PKM_TRY(status);
    status = pkm_resume_data(trainer);
    if (status == PKM_OK && checkpoint == NULL)
        status = pkm_moments_clear(trainer->gpt);
    if (status == PKM_OK)
        status = pkm_resume_tensors(trainer, checkpoint, trainer->init_from);
    pkm_free(checkpoint);
    return status;
}

static pkm_status rewind_run(pkm_trainer *trainer, pkm_recovery *recovery, pkm_status status,
                             pkm_fault fault)
{
    int64_t rewinds = trainer->state.rewinds + 1;
    char *options = trainer->state.options;

    trainer->state.options = NULL;
    recovery->kind = PKM_EVENT_REWIND;
    PKM_TRY(go_back(trainer, options));
    if (rewinds - trainer->state.rewinds > PKM_MOST_REWINDS) {
        add_reason(recovery, ", and so it did before %d rewinds", PKM_MOST_REWINDS);
        return give_up(trainer, status, fault, recovery->reason);
    }
    trainer->state.rewinds = rewinds;
    trainer->batches.order = (uint32_t)rewinds;
    return pkm_metrics_cut(&trainer->log.metrics, trainer->state.metrics_bytes);
}

pkm_status pkm_trainer_recover(pkm_trainer *trainer, pkm_recovery *out, pkm_status status,
                               pkm_fault fault)
{
    *out = (pkm_recovery){.from_step = trainer->state.step + 1};
    snprintf(out->reason, sizeof out->reason, "%s", pkm_last_error());
    switch (policy_for(trainer->values, fault)) {
    case PKM_POLICY_SKIP:
        return skip(trainer, out, status, fault);
    case PKM_POLICY_REWIND:
        return rewind_run(trainer, out, status, fault);
    default:
        return fault == PKM_FAULT_OTHER ? status : give_up(trainer, status, fault, out->reason);
    }
}
