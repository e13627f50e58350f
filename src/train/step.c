/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One training step: for each micro-batch forward and backward; then clip and update. Nothing is
 * updated before every loss and gradient was seen to be finite, so that a NaN stops the run in the
 * step that made it with the weights as they were; only a row whose finite gradients overflow when
 * they are summed is found out while the rows are updated. Nothing is saved of such a step either.
 */
#include <math.h>

#include "train/trainer.h"

/* Forward and backward of micro-batch `micro`; adds its loss to *loss_sum in order of rows. */
static pkm_status run_micro_batch(pkm_trainer *trainer, int64_t micro, double *loss_sum)
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
    };

    PKM_TRY(pkm_batches_fill(&trainer->batches, trainer->ids->data, trainer->targets->data, first,
                             sequences));
    PKM_TRY(pkm_tape_forward(trainer->tape, &run));
    for (int64_t row = 0; row < plan->rows; row++)
        sum += (double)loss[row];
    if (!isfinite(sum)) {
        PKM_TRY(pkm_tape_check_finite(trainer->tape, plan->rows));
        return pkm_fail(PKM_ERR_NUMERIC, "the loss is not finite");
    }
    *loss_sum += sum;
    return pkm_tape_backward(trainer->tape, &run, trainer->seed_grad);
}

static pkm_status update_stores(pkm_trainer *trainer, int64_t step)
{
    float lr = (float)pkm_schedule_lr(&trainer->plan.value_schedule, step);
    double squares = 0;
    float scale;

    if (trainer->values->value_clip > 0) {
        for (int i = 0; i < trainer->gpt->n_stores; i++) {
            double norm;

            PKM_TRY(pkm_store_grad_norm(trainer->gpt->stores[i], &norm));
            squares += norm * norm;
        }
    }
    scale = pkm_clip_scale(sqrt(squares), trainer->values->value_clip);
    for (int i = 0; i < trainer->gpt->n_stores; i++) {
        pkm_status status = pkm_store_step(trainer->gpt->stores[i], step, lr, scale);

        if (status != PKM_OK) {
            pkm_error_prefix("pkm.values.%d", i);
            return status;
        }
    }
    return PKM_OK;
}

pkm_status pkm_trainer_step(pkm_trainer *trainer, pkm_step_result *out)
{
    int64_t step = trainer->state.step + 1;
    double loss_sum = 0, norm;
    float lr = (float)pkm_schedule_lr(&trainer->plan.schedule, step);

    pkm_params_pack(trainer->gpt->params);
    for (int64_t micro = 0; micro < trainer->values->grad_accum; micro++)
        PKM_TRY(run_micro_batch(trainer, micro, &loss_sum));
    PKM_TRY(pkm_params_grad_norm(trainer->gpt->params, &norm));
    PKM_TRY(update_stores(trainer, step));
    pkm_adamw_step(trainer->gpt->params, &trainer->plan.adamw, step, lr,
                   pkm_clip_scale(norm, trainer->values->clip));
    *out = (pkm_step_result){
        .loss = loss_sum / (double)trainer->plan.tokens_per_step,
        .grad_norm = norm,
        .lr = (double)lr,
    };
    return PKM_OK;
}
