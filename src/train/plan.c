/* SPDX-License-Identifier: Apache-2.0 */
#include "train/plan.h"

#include <math.h>

#include "base/file.h"
#include "base/size.h"
#include "base/system.h"
#include "train/checkpoint.h"

/* One of steps, tokens and epochs says how long; none of them means one epoch. */
static pkm_status count_steps(int64_t *out, const pkm_train_options *options,
                              int64_t tokens_per_step, int64_t train_tokens)
{
    int given = (options->steps > 0) + (options->tokens > 0) + (options->epochs > 0);
    double tokens;

    if (given > 1)
        return pkm_fail(PKM_ERR_ARG, "steps, tokens and epochs exclude each other: give one");
    if (options->steps > 0) {
        *out = options->steps;
        return PKM_OK;
    }
    tokens = options->tokens > 0 ? (double)options->tokens
                                 : (given == 1 ? options->epochs : 1.0) * (double)train_tokens;
    tokens = ceil(tokens / (double)tokens_per_step);
    if (tokens > (double)UINT32_MAX)
        return pkm_fail(PKM_ERR_ARG, "%.0f steps: at most 2^32 - 1 are possible", tokens);
    *out = pkm_max_i64(1, (int64_t)tokens);
    return PKM_OK;
}

/* 2e-3 for 4 layers of width 256 (docs/experiments.md); 5.1e-4 for 12 of 768, 3.2e-4 for 24 of
 * 1024, about what GPT-3 was trained with at those sizes (Brown et al. 2020, table 2.1). Models so
 * narrow that none was tried get 1e-2. */
static double default_lr(const pkm_gpt_config *config)
{
    return fmin(1e-2, 2e-3 * 256.0 / (double)config->dim * pow(4.0 / (double)config->layers, 0.25));
}

static void make_schedules(pkm_train_plan *plan, const pkm_train_options *options,
                           const pkm_gpt_config *config)
{
    pkm_schedule *main_schedule = &plan->schedule, *values = &plan->value_schedule;

    main_schedule->kind = (pkm_schedule_kind)options->schedule;
    main_schedule->lr = options->lr > 0 ? options->lr : default_lr(config);
    main_schedule->min_lr = options->min_lr >= 0 ? options->min_lr : main_schedule->lr / 10;
    main_schedule->steps = plan->steps;
    main_schedule->warmup =
        options->warmup >= 0 ? options->warmup : pkm_min_i64(2000, plan->steps / 10);
    plan->key_lr_ratio = options->key_lr > 0 ? options->key_lr / main_schedule->lr : 0.1;
    *values = *main_schedule;
    values->kind = (pkm_schedule_kind)options->value_schedule;
    values->lr = options->value_lr;
    values->min_lr = options->value_lr / 10;
}

pkm_status pkm_train_plan_make(pkm_train_plan *out, const pkm_train_options *options,
                               const pkm_gpt_config *config, int64_t train_tokens)
{
    pkm_train_plan plan = {0};
    size_t rows, tokens;

    if (!pkm_size_mul((size_t)options->batch, (size_t)config->seq_len, &rows) ||
        !pkm_size_mul(rows, (size_t)options->grad_accum, &tokens) || tokens > INT32_MAX)
        return pkm_fail(
            PKM_ERR_ARG,
            "batch %lld x grad_accum %lld x seq_len %lld: a step takes at most 2^31 - 1 "
            "tokens",
            (long long)options->batch, (long long)options->grad_accum, (long long)config->seq_len);
    plan.rows = (int64_t)rows;
    plan.tokens_per_step = (int64_t)tokens;
    PKM_TRY(count_steps(&plan.steps, options, plan.tokens_per_step, train_tokens));
    make_schedules(&plan, options, config);
    plan.adamw = (pkm_adamw_config){0.9f, 0.95f, 1e-8f, (float)options->weight_decay};
    *out = plan;
    return PKM_OK;
}

uint64_t pkm_train_plan_disk(const pkm_train_plan *plan, const pkm_train_options *options,
                             const pkm_gpt *gpt, int64_t present)
{
    /* The kept ones, the best, and the one being written before an old one goes. */
    int64_t most = options->keep_checkpoints + 2;

    if (options->keep_every > 0)
        most += plan->steps / options->keep_every;
    return pkm_size_product(pkm_checkpoint_bytes(gpt), (size_t)pkm_max_i64(most - present, 1));
}

pkm_status pkm_train_check_memory(uint64_t needed)
{
    return pkm_memory_check(needed, "this training",
                            "a smaller batch, model or table, or bf16 values, would fit");
}

pkm_status pkm_train_check_disk(uint64_t needed, const char *dir)
{
    char wanted[PKM_AMOUNT_TEXT], there[PKM_AMOUNT_TEXT];
    uint64_t available;

    PKM_TRY(pkm_disk_free(&available, dir));
    if (needed <= available)
        return PKM_OK;
    pkm_amount_text(wanted, needed);
    pkm_amount_text(there, available);
    return pkm_fail(PKM_ERR_NOMEM,
                    "%s: checkpoints need %s of disk and %s are free: make room, or keep fewer "
                    "(--keep-checkpoints)",
                    dir, wanted, there);
}
