/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One training step in two halves. Gathering runs forward and backward over each micro-batch and
 * looks at all that comes out of it: losses, gradients, running statistics. Updating applies it.
 * What can go wrong with a model that is finite is found by gathering; a step that fails there
 * leaves everything as it was. Updating only finds weights and moments that were bad before and
 * had no part in the gradient.
 */
#include <math.h>

#include "train/health.h"
#include "train/revival.h"
#include "train/trainer.h"

/* Forward and backward of micro-batch `micro`; adds its loss to out->loss in order of rows. */
static pkm_status run_micro_batch(pkm_trainer *trainer, pkm_step_result *out, int64_t micro,
                                  bool watch)
{
    const pkm_train_plan *plan = &trainer->plan;
    int64_t sequences = trainer->values->batch;
    int64_t first = trainer->state.tokens / trainer->batches.seq_len + micro * sequences;
    const float *loss = trainer->loss->data;
    double sum = 0;
    pkm_run run = {
        .n_rows = plan->rows,
        .first_row = micro * plan->rows,
        .seed = (uint64_t)trainer->values->seed,
        .step = trainer->state.step + 1,
        .accumulate = micro > 0,
        .loss_grad = trainer->seed_grad,
        .watch = watch,
    };
    pkm_status status = pkm_batches_fill(&trainer->batches, trainer->ids->data,
                                         trainer->targets->data, first, sequences);

    if (status == PKM_ERR_FORMAT)
        out->fault = PKM_FAULT_DATA;
    PKM_TRY(status);
    PKM_TRY(pkm_tape_forward(trainer->tape, &run));
    for (int64_t row = 0; row < plan->rows; row++)
        sum += (double)loss[row];
    if (!isfinite(sum))
        return pkm_fail(PKM_ERR_NUMERIC, "the loss is not finite");
    out->loss += sum / (double)plan->tokens_per_step;
    return pkm_tape_backward(trainer->tape, &run);
}

/* All micro-batches; watch: find the first tensor that is not finite (pkm_run). */
static pkm_status run_batches(pkm_trainer *trainer, pkm_step_result *out, bool watch)
{
    out->loss = 0;
    for (int64_t micro = 0; micro < trainer->values->grad_accum; micro++)
        PKM_TRY(run_micro_batch(trainer, out, micro, watch));
    return PKM_OK;
}

/* The factor that clips the values' gradient, after checking that no row of it overflows. */
static pkm_status scale_values(pkm_trainer *trainer, float *scale)
{
    pkm_gpt *gpt = trainer->gpt;
    double squares = 0;

    for (int i = 0; i < gpt->n_stores && trainer->values->value_clip > 0; i++) {
        double norm;

        PKM_TRY(pkm_store_grad_norm(gpt->stores[i], &norm));
        squares += norm * norm;
    }
    PKM_TRY(pkm_clip_scale(scale, sqrt(squares), trainer->values->value_clip, "the values"));
    for (int i = 0; i < gpt->n_stores; i++)
        PKM_TRY(pkm_store_check(gpt->stores[i], *scale));
    return PKM_OK;
}

/* Norms, scales, and whether all that forward and backward wrote is finite. */
static pkm_status gather(pkm_trainer *trainer, pkm_step_result *out)
{
    pkm_params *params = trainer->gpt->params;

    PKM_TRY(run_batches(trainer, out, false));
    PKM_TRY(pkm_params_grad_norm(params, &out->grad_norm));
    PKM_TRY(pkm_clip_scale(&out->scale, out->grad_norm, trainer->values->clip, "the weights"));
    PKM_TRY(scale_values(trainer, &out->value_scale));
    for (int i = 0; i < pkm_params_count(params); i++) {
        const pkm_param *param = pkm_params_at(params, i);

        if (param->spec.role == PKM_PARAM_BUFFER)
            PKM_TRY(pkm_health_check_param(param));
    }
    return PKM_OK;
}

/* After PKM_ERR_NUMERIC: a bad weight, if there is one; else the first bad tensor of the step, done
 * once more under watch; else the message stands. */
static pkm_status find_culprit(pkm_trainer *trainer, pkm_step_result *out)
{
    pkm_error_copy symptom;
    pkm_status status;

    pkm_error_keep(&symptom);
    out->fault = PKM_FAULT_MODEL;
    PKM_TRY(pkm_health_check(trainer->gpt));
    out->fault = PKM_FAULT_NUMBERS;
    status = run_batches(trainer, out, true);
    pkm_trainer_drop(trainer);
    if (status == PKM_OK)
        pkm_error_restore(&symptom);
    return status == PKM_OK ? PKM_ERR_NUMERIC : status;
}

pkm_status pkm_trainer_gather(pkm_trainer *trainer, pkm_step_result *out)
{
    pkm_status status;

    *out =
        (pkm_step_result){.lr = pkm_schedule_lr(&trainer->plan.schedule, trainer->state.step + 1)};
    pkm_params_keep(trainer->gpt->params);
    pkm_params_pack(trainer->gpt->params);
    status = gather(trainer, out);
    if (status == PKM_OK)
        return PKM_OK;
    pkm_trainer_drop(trainer);
    return status == PKM_ERR_NUMERIC ? find_culprit(trainer, out) : status;
}

void pkm_trainer_drop(pkm_trainer *trainer)
{
    pkm_params_restore(trainer->gpt->params);
    for (int i = 0; i < trainer->gpt->n_stores; i++)
        pkm_store_discard(trainer->gpt->stores[i]);
}

static pkm_status update(pkm_trainer *trainer, const pkm_step_result *gathered)
{
    int64_t step = trainer->state.step + 1;
    float value_lr = (float)pkm_schedule_lr(&trainer->plan.value_schedule, step);
    pkm_adamw_rates rates = {(float)gathered->lr,
                             (float)(gathered->lr * trainer->plan.key_lr_ratio)};

    for (int i = 0; i < trainer->gpt->n_stores; i++)
        PKM_TRY(pkm_store_step(trainer->gpt->stores[i], step, value_lr, gathered->value_scale));
    return pkm_adamw_step(trainer->gpt->params, &trainer->plan.adamw, step, rates, gathered->scale);
}

pkm_status pkm_trainer_update(pkm_trainer *trainer, pkm_step_result *gathered)
{
    pkm_status status = update(trainer, gathered);

    if (status == PKM_OK)
        pkm_revival_took_step(trainer->gpt);
    if (status != PKM_ERR_NUMERIC)
        return status;
    gathered->fault = PKM_FAULT_MODEL;
    PKM_TRY(pkm_health_check(trainer->gpt));
    return status;
}
