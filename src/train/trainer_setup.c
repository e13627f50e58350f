/* SPDX-License-Identifier: Apache-2.0 */
/* Creating and destroying a training. The order matters: cheap checks first, memory last. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/size.h"
#include "base/threads.h"
#include "models/model_dir.h"
#include "train/resume.h"
#include "train/revival.h"
#include "train/save.h"

enum { MAX_TOKENIZER_BYTES = 512 << 20 };

/* The text of tokenizer.json, after checking that the data was made with it. */
static pkm_status open_tokenizer(pkm_trainer *trainer, const char *path)
{
    pkm_tokenizer *tokenizer;
    char *file;
    pkm_status status;

    PKM_TRY(pkm_tokenizer_load(&tokenizer, path));
    if (strcmp(pkm_tokenizer_hash(tokenizer), pkm_data_tokenizer_hash(trainer->train_data)) != 0)
        status = pkm_fail(PKM_ERR_ARG, "%s: the data set was made with another tokenizer", path);
    else if (pkm_directory_exists(path))
        status = pkm_path_join(&file, path, "tokenizer.json");
    else
        status = pkm_string_copy(&file, path);
    pkm_tokenizer_destroy(tokenizer);
    PKM_TRY(status);
    status =
        pkm_file_read(&trainer->tokenizer, &trainer->tokenizer_bytes, file, MAX_TOKENIZER_BYTES);
    pkm_free(file);
    return status;
}

static pkm_status open_data(pkm_trainer *trainer, const pkm_train_paths *paths)
{
    PKM_TRY(pkm_data_open(&trainer->train_data, paths->data, PKM_SPLIT_TRAIN));
    PKM_TRY(pkm_data_open(&trainer->val_data, paths->data, PKM_SPLIT_VAL));
    return open_tokenizer(trainer, paths->tokenizer);
}

/* Everything that can be refused before memory and disk are used. */
static pkm_status settle(pkm_trainer *trainer, pkm_gpt_config *config, const pkm_train_paths *paths,
                         const pkm_option_set *options, const char *checkpoint)
{
    size_t bytes;

    PKM_TRY(pkm_resume_options(trainer, options));
    PKM_TRY(pkm_resume_data(trainer));
    PKM_TRY(pkm_resume_config(trainer, config, checkpoint, paths->init_from));
    if (trainer->values->map_values)
        config->map_dir = paths->out;
    PKM_TRY(pkm_train_plan_make(&trainer->plan, trainer->values, config,
                                pkm_data_tokens(trainer->train_data)));
    PKM_TRY(pkm_batches_init(&trainer->batches, trainer->train_data, config->seq_len,
                             (uint64_t)trainer->values->seed));
    trainer->batches.order = (uint32_t)trainer->state.rewinds;
    PKM_TRY(pkm_gpt_bytes(config, true, &bytes)); /* parameters, gradients, moments, tables */
    return pkm_train_check_memory(bytes);
}

static pkm_status plan_tapes(pkm_trainer *trainer)
{
    const pkm_train_plan *plan = &trainer->plan;
    int64_t seq_len = trainer->batches.seq_len;

    PKM_TRY(pkm_gpt_tape(&trainer->tape, trainer->gpt, PKM_MODE_TRAIN, plan->rows, false, NULL));
    trainer->ids = pkm_tape_find(trainer->tape, "ids");
    trainer->targets = pkm_tape_find(trainer->tape, "targets");
    trainer->sequence = pkm_tape_find(trainer->tape, "sequence");
    trainer->position = pkm_tape_find(trainer->tape, "position");
    trainer->loss = pkm_tape_find(trainer->tape, "loss");
    PKM_TRY(pkm_alloc_array((void **)&trainer->seed_grad, (size_t)plan->rows, sizeof(float),
                            "loss gradients"));
    for (int64_t row = 0; row < plan->rows; row++) {
        trainer->seed_grad[row] = 1.0f / (float)plan->tokens_per_step;
        ((int32_t *)trainer->sequence->data)[row] = (int32_t)(row / seq_len);
        ((int32_t *)trainer->position->data)[row] = (int32_t)(row % seq_len);
    }
    for (int i = 0; i < trainer->gpt->n_stores; i++) {
        const pkm_memory_config *memory = &trainer->gpt->config.memory;
        int64_t readers = trainer->gpt->config.shared_values ? trainer->gpt->n_memories : 1;

        PKM_TRY(pkm_store_reserve(trainer->gpt->stores[i], plan->tokens_per_step * readers,
                                  memory->heads * memory->topk));
    }
    if (trainer->values->revive_every > 0)
        PKM_TRY(pkm_revival_start(trainer->gpt));
    if (trainer->values->eval_every > 0 && pkm_data_tokens(trainer->val_data) > 1)
        PKM_TRY(pkm_scorer_init(&trainer->scorer, trainer->gpt, plan->rows));
    return PKM_OK;
}

/* Memory that this training will take beyond what the process has: weights, gradients, moments,
 * tables, activations, packed weights, hits of a step, loss gradients, what reviving goes by and,
 * where it evaluates, the activations of that and the counts of how memories are read. */
static pkm_status plan_memory(const pkm_trainer *trainer, size_t *out)
{
    const pkm_gpt *gpt = trainer->gpt;
    size_t total;

    PKM_TRY(pkm_gpt_needs(gpt, &total));
    total = pkm_size_sum(total, pkm_tape_bytes(trainer->tape));
    total = pkm_size_sum(total, pkm_params_packed_bytes(gpt->params));
    total = pkm_size_sum(total, (size_t)trainer->plan.rows * sizeof *trainer->seed_grad);
    total = pkm_size_sum(total, pkm_revival_bytes(gpt));
    for (int i = 0; i < gpt->n_stores; i++)
        total = pkm_size_sum(total, pkm_store_log_bytes(gpt->stores[i]));
    if (trainer->scorer.tape != NULL) {
        total = pkm_size_sum(total, pkm_tape_bytes(trainer->scorer.tape));
        total = pkm_size_sum(total, pkm_score_usage_bytes(gpt));
    }
    *out = total;
    return PKM_OK;
}

/* Tells the plan, then refuses it if it does not fit. Tables and arenas are reserved by now but not
 * yet touched, so the memory is still free. */
static pkm_status check_plan(pkm_trainer *trainer)
{
    pkm_train_event event = {
        .kind = PKM_EVENT_PLAN,
        .step = trainer->state.step,
        .steps = trainer->plan.steps,
        .tokens = trainer->state.tokens,
        .parameters = pkm_gpt_parameters(trainer->gpt),
        .threads = pkm_threads(),
        .runtime = pkm_threads_runtime(),
    };
    int64_t *steps;
    size_t bytes, present;

    PKM_TRY(plan_memory(trainer, &bytes));
    event.memory_bytes = bytes;
    event.disk_bytes = pkm_train_plan_disk(&trainer->plan, trainer->values, trainer->gpt, 0);
    if (trainer->values->map_values)
        event.disk_bytes = pkm_size_sum(event.disk_bytes, pkm_gpt_table_bytes(trainer->gpt));
    PKM_TRY(pkm_train_check_memory(bytes));
    PKM_TRY(pkm_run_folder_steps(&trainer->folder, &steps, &present));
    pkm_free(steps);
    PKM_TRY(pkm_train_check_disk(
        pkm_train_plan_disk(&trainer->plan, trainer->values, trainer->gpt, (int64_t)present),
        trainer->folder.dir));
    if (trainer->callback != NULL && trainer->callback(&event, trainer->user) != 0)
        return pkm_fail(PKM_ERR_CANCELLED, "training was cancelled before its start");
    return PKM_OK;
}

static pkm_status open_log(pkm_trainer *trainer)
{
    const pkm_train_state *state = &trainer->state;
    char sentence[128];
    int64_t missing;

    PKM_TRY(pkm_train_log_open(&trainer->log, trainer->folder.dir, trainer->values->tensorboard,
                               state->metrics_bytes, state->step, &missing));
    if (missing > 0) {
        snprintf(sentence, sizeof sentence,
                 "metrics.jsonl lacks %lld bytes of what was logged up to this step",
                 (long long)missing);
        pkm_trainer_warn(trainer, sentence);
    }
    return PKM_OK;
}

static pkm_status create(pkm_trainer *trainer, const pkm_train_paths *paths,
                         const pkm_option_set *options)
{
    pkm_gpt_config config;
    char *checkpoint = NULL; /* folder to go on from */
    pkm_status status;

    trainer->data_dir = paths->data;
    trainer->init_from = paths->init_from;
    PKM_TRY(open_data(trainer, paths));
    if (paths->resume) {
        PKM_TRY(pkm_run_folder_open(&trainer->folder, paths->out, true));
        PKM_TRY(pkm_resume_find(trainer, &checkpoint));
    }
    status = settle(trainer, &config, paths, options, checkpoint);
    /* What options or data rule out leaves no folder behind. */
    if (status == PKM_OK && !paths->resume)
        status = pkm_run_folder_open(&trainer->folder, paths->out, false);
    if (status == PKM_OK)
        status = pkm_gpt_create(&trainer->gpt, &config, true);
    if (status == PKM_OK)
        status = plan_tapes(trainer);
    if (status == PKM_OK)
        status = check_plan(trainer);
    if (status == PKM_OK)
        status = pkm_resume_tensors(trainer, checkpoint, paths->init_from);
    if (status == PKM_OK)
        status = open_log(trainer);
    /* What a process did not come to that ended between saving and removing. */
    if (status == PKM_OK && checkpoint != NULL)
        pkm_trainer_prune(trainer);
    pkm_free(checkpoint);
    return status;
}

pkm_status pkm_trainer_create(pkm_trainer **out, const pkm_train_paths *paths,
                              const pkm_option_set *options, pkm_train_callback callback,
                              void *user)
{
    pkm_trainer *trainer;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&trainer, 1, sizeof *trainer, "a trainer"));
    trainer->callback = callback;
    trainer->user = user;
    trainer->verify = paths->verify;
    trainer->folder.lock = -1;
    trainer->state.best_val_loss = INFINITY;
    trainer->val_loss = NAN;
    status = create(trainer, paths, options);
    if (status != PKM_OK) {
        pkm_trainer_destroy(trainer);
        return status;
    }
    *out = trainer;
    return PKM_OK;
}

void pkm_trainer_warn(const pkm_trainer *trainer, const char *sentence)
{
    pkm_train_event event = {.kind = PKM_EVENT_WARNING, .path = sentence};

    if (trainer->callback != NULL)
        (void)trainer->callback(&event, trainer->user);
}

void pkm_trainer_destroy(pkm_trainer *trainer)
{
    if (trainer == NULL)
        return;
    pkm_scorer_release(&trainer->scorer);
    pkm_free(trainer->seed_grad);
    pkm_tape_destroy(trainer->tape);
    pkm_gpt_destroy(trainer->gpt);
    pkm_batches_release(&trainer->batches);
    pkm_data_close(trainer->train_data);
    pkm_data_close(trainer->val_data);
    pkm_free(trainer->tokenizer);
    pkm_train_log_close(&trainer->log);
    pkm_run_folder_close(&trainer->folder);
    pkm_train_state_release(&trainer->state);
    pkm_options_destroy(trainer->options);
    pkm_free(trainer);
}
