/* SPDX-License-Identifier: Apache-2.0 */
/* Scoring text with a model: the forward pass with its loss, on random tokens, and with --profile
 * each of its operations. */
#include "tape_bench.h"

typedef struct score_bench {
    const pkm_tape_values *values;
    pkm_tape_bench model;
} score_bench;

static pkm_status score(void *user)
{
    const pkm_tape_bench *model = &((score_bench *)user)->model;

    pkm_params_pack(model->gpt->params);
    return pkm_tape_forward(model->tape, &model->run);
}

static pkm_status add_tasks(pkm_measure *measure, void *user)
{
    score_bench *bench = user;
    pkm_task task = {.name = "score",
                     .body = score,
                     .user = bench,
                     .items = (double)bench->model.run.n_rows,
                     .unit = "tokens"};

    PKM_TRY(pkm_tape_bench_ceilings(measure, &bench->model));
    pkm_tape_bench_parts(task.parts, &bench->model, false);
    PKM_TRY(pkm_measure_add(measure, NULL, &task));
    return bench->values->profile ? pkm_tape_bench_profile(measure, &bench->model, false) : PKM_OK;
}

static pkm_status run(const void *values, const pkm_train_options *training, pkm_bench_sink sink,
                      void *user)
{
    score_bench bench = {.values = values};
    pkm_status status =
        pkm_tape_bench_create(&bench.model, training, bench.values->vocab_size, PKM_MODE_SCORE);

    if (status == PKM_OK)
        status = pkm_measure_all(bench.values->runs, add_tasks, &bench, sink, user);
    pkm_tape_bench_release(&bench.model);
    return status;
}

const pkm_bench pkm_bench_score = {
    .name = "score",
    .options = {pkm_tape_rows, PKM_TAPE_ROWS, sizeof(pkm_tape_values)},
    .run_training = run,
};
