/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training step of a whole model on random tokens: forward, backward and update apart, what the
 * tape itself takes, and with --profile each of its nodes. The three phases are those of
 * src/train/step.c, without data, logs and checks.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "params/adamw.h"
#include "store_walk.h"
#include "tape_bench.h"

/* A model on its tape. */
typedef struct train_bench {
    const pkm_tape_values *values;
    pkm_tape_bench model;
    float *seed_grad; /* [n_rows], d loss of a row */
    pkm_adamw_rates rates;
    float value_lr;
    int64_t n_touched; /* value rows hit by a step, of all stores */
    int32_t *touched;  /* [n_touched of the first store] rows that stand for them */
} train_bench;

static void release(train_bench *bench)
{
    pkm_free(bench->seed_grad);
    pkm_free(bench->touched);
    pkm_tape_bench_release(&bench->model);
}

static pkm_status create(train_bench *bench, const pkm_train_options *training)
{
    pkm_tape_bench *model = &bench->model;
    int64_t n_rows = training->batch * training->seq_len, readers;
    const pkm_gpt *gpt;

    PKM_TRY(pkm_tape_bench_create(model, training, bench->values->vocab_size, PKM_MODE_TRAIN));
    PKM_TRY(pkm_alloc_array((void **)&bench->seed_grad, (size_t)n_rows, sizeof(float),
                            "loss gradients"));
    for (int64_t row = 0; row < n_rows; row++)
        bench->seed_grad[row] = 1.0f / (float)n_rows;
    model->run.loss_grad = bench->seed_grad;
    gpt = model->gpt;
    readers = gpt->config.shared_values ? gpt->n_memories : 1;
    for (int i = 0; i < gpt->n_stores; i++)
        PKM_TRY(pkm_store_reserve(gpt->stores[i], n_rows * readers,
                                  gpt->config.memory.heads * gpt->config.memory.topk));
    bench->rates = (pkm_adamw_rates){1e-4f, 1e-4f};
    bench->value_lr = 1e-4f;
    return PKM_OK;
}

static pkm_status forward(void *user)
{
    pkm_tape_bench *model = &((train_bench *)user)->model;

    model->run.step++;
    pkm_params_pack(model->gpt->params);
    return pkm_tape_forward(model->tape, &model->run);
}

static pkm_status backward(void *user)
{
    const train_bench *bench = user;

    return pkm_tape_backward(bench->model.tape, &bench->model.run);
}

static pkm_status update(void *user)
{
    const pkm_adamw_config adamw = {0.9f, 0.95f, 1e-8f, 0.1f};
    const train_bench *bench = user;
    const pkm_gpt *gpt = bench->model.gpt;
    int64_t step = bench->model.run.step;
    double norm;

    PKM_TRY(pkm_params_grad_norm(gpt->params, &norm));
    for (int i = 0; i < gpt->n_stores; i++)
        PKM_TRY(pkm_store_step(gpt->stores[i], step, bench->value_lr, 1.0f));
    return pkm_adamw_step(gpt->params, &adamw, step, bench->rates, 1.0f);
}

/* Bytes of dense weights, moments and gradients that AdamW reads, and writes but for the last. */
static double adamw_bytes(const pkm_gpt *gpt)
{
    double count = 0;

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);

        if (param->spec.role == PKM_PARAM_DENSE)
            count += (double)param->count;
    }
    return 7 * sizeof(float) * count;
}

static double nodes_seconds(void *user)
{
    return pkm_tape_bench_nodes(&((train_bench *)user)->model);
}

/* A step by itself, to see how many value rows it hits. */
static pkm_status count_touched(train_bench *bench)
{
    const pkm_gpt *gpt = bench->model.gpt;

    PKM_TRY(forward(bench));
    PKM_TRY(backward(bench));
    for (int i = 0; i < gpt->n_stores; i++)
        bench->n_touched += pkm_store_touched(gpt->stores[i]);
    return update(bench);
}

/* Rows of the first value table and their moments, as far apart as those a step hits. */
static pkm_status add_row_ceiling(pkm_measure *measure, int *index, double *row_bytes,
                                  train_bench *bench)
{
    const pkm_gpt *gpt = bench->model.gpt;
    int64_t slots = pkm_store_config_of(gpt->stores[0])->slots;
    int64_t n = pkm_max_i64(1, bench->n_touched / gpt->n_stores);
    pkm_row_walk walk;

    PKM_TRY(
        pkm_alloc_array((void **)&bench->touched, (size_t)n, sizeof *bench->touched, "row ids"));
    for (int64_t i = 0; i < n; i++)
        bench->touched[i] = (int32_t)(i * slots / n);
    PKM_TRY(pkm_store_walk(&walk, gpt->stores[0], true));
    walk.ids = bench->touched;
    walk.n_ids = walk.slice = n;
    *row_bytes = pkm_row_walk_bytes(&walk);
    return pkm_row_probe_add(measure, index, "value rows only rewritten", &walk, 0);
}

static pkm_status add_work(pkm_measure *measure, int *index, train_bench *bench, pkm_task task)
{
    task.user = bench;
    task.items = (double)bench->model.run.n_rows;
    task.unit = "tokens";
    return pkm_measure_add(measure, index, &task);
}

/* The update's parts: dense weights in order, value rows with their moments. */
static pkm_status add_update_ceiling(pkm_measure *measure, pkm_floor_part parts[2],
                                     train_bench *bench)
{
    double row_bytes;
    int rows_ceiling;

    parts[0] = (pkm_floor_part){bench->model.stream, adamw_bytes(bench->model.gpt)};
    if (bench->model.gpt->n_stores == 0)
        return PKM_OK;
    PKM_TRY(add_row_ceiling(measure, &rows_ceiling, &row_bytes, bench));
    parts[1] = (pkm_floor_part){rows_ceiling, (double)bench->n_touched * row_bytes};
    return PKM_OK;
}

static pkm_status add_phases(pkm_measure *measure, train_bench *bench)
{
    pkm_task task[] = {{.name = "forward", .body = forward},
                       {.name = "backward", .body = backward},
                       {.name = "update", .body = update}};
    pkm_task step = {.name = "step"};
    int index[3], nodes;

    pkm_tape_bench_parts(task[0].parts, &bench->model, false);
    pkm_tape_bench_parts(task[1].parts, &bench->model, true);
    PKM_TRY(add_update_ceiling(measure, task[2].parts, bench));
    for (int i = 0; i < 3; i++) {
        PKM_TRY(add_work(measure, &index[i], bench, task[i]));
        step.terms[i] = (pkm_task_term){index[i], 1};
        memcpy(step.parts + 2 * i, task[i].parts, 2 * sizeof *step.parts);
    }
    PKM_TRY(add_work(measure, NULL, bench, step));
    PKM_TRY(add_work(measure, &nodes, bench,
                     (pkm_task){.name = "all operations of the tape", .told = nodes_seconds}));
    return add_work(
        measure, NULL, bench,
        (pkm_task){.name = "the tape's own", .terms = {{index[0], 1}, {index[1], 1}, {nodes, -1}}});
}

static pkm_status add_tasks(pkm_measure *measure, void *user)
{
    train_bench *bench = user;

    PKM_TRY(pkm_tape_bench_ceilings(measure, &bench->model));
    PKM_TRY(add_phases(measure, bench));
    if (!bench->values->profile)
        return PKM_OK;
    PKM_TRY(pkm_tape_bench_profile(measure, &bench->model, false));
    return pkm_tape_bench_profile(measure, &bench->model, true);
}

static pkm_status run(const void *values, const pkm_train_options *training, pkm_bench_sink sink,
                      void *user)
{
    train_bench bench = {.values = values};
    pkm_status status = create(&bench, training);

    if (status == PKM_OK)
        status = count_touched(&bench);
    if (status == PKM_OK)
        status = pkm_measure_all(bench.values->runs, add_tasks, &bench, sink, user);
    release(&bench);
    return status;
}

const pkm_bench pkm_bench_train = {
    .name = "train",
    .options = {pkm_tape_rows, PKM_TAPE_ROWS, sizeof(pkm_tape_values)},
    .run_training = run,
};
