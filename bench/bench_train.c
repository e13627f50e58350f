/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training step of a whole model on random tokens: forward, backward and update apart, and with
 * --profile each node of the tape, whose bytes and flops are the floor its operation cannot beat.
 * The three phases are those of src/train/step.c, without data, logs and checks.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rng.h"
#include "measure.h"
#include "models/gpt.h"
#include "params/adamw.h"

typedef struct train_values {
    int64_t vocab_size, runs;
    bool profile;
} train_values;

static const pkm_option rows[] = {
    {.name = "vocab_size",
     .type = PKM_OPTION_INT,
     .offset = offsetof(train_values, vocab_size),
     .min = 2,
     .max = 1000000,
     .preset = "8192",
     .unit = "tokens",
     .help = "vocabulary of the model"},
    {.name = "runs",
     .type = PKM_OPTION_INT,
     .offset = offsetof(train_values, runs),
     .min = 1,
     .max = 1000000,
     .preset = "10",
     .help = "measured steps"},
    {.name = "profile",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(train_values, profile),
     .help = "a figure for each operation of the model, forward and backward"},
};

enum { FORWARD, BACKWARD, UPDATE, STEP, N_PHASES }; /* STEP: the other three together */

/* A model on its tape. */
typedef struct train_bench {
    pkm_gpt *gpt;
    pkm_tape *tape;
    float *seed_grad; /* [n_rows], d loss of a row */
    pkm_run run;
    float lr, value_lr;
    double *seconds[N_PHASES]; /* [runs] */
} train_bench;

static void destroy(train_bench *bench)
{
    for (int phase = 0; phase < N_PHASES; phase++)
        pkm_free(bench->seconds[phase]);
    pkm_free(bench->seed_grad);
    pkm_tape_destroy(bench->tape);
    pkm_gpt_destroy(bench->gpt);
}

static void fill_inputs(train_bench *bench, int64_t seq_len)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.train")};
    int64_t n_rows = bench->run.n_rows, vocab_size = bench->gpt->config.vocab_size;
    int32_t *ids = pkm_tape_find(bench->tape, "ids")->data;
    int32_t *targets = pkm_tape_find(bench->tape, "targets")->data;
    int32_t *sequence = pkm_tape_find(bench->tape, "sequence")->data;
    int32_t *position = pkm_tape_find(bench->tape, "position")->data;

    for (int64_t row = 0; row < n_rows; row++) {
        ids[row] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)row) % (uint64_t)vocab_size);
        targets[row] =
            (int32_t)(pkm_rng_u32(&rng, (uint64_t)(n_rows + row)) % (uint64_t)vocab_size);
        sequence[row] = (int32_t)(row / seq_len);
        position[row] = (int32_t)(row % seq_len);
        bench->seed_grad[row] = 1.0f / (float)n_rows;
    }
}

static pkm_status create(train_bench *bench, const pkm_train_options *training, int64_t vocab_size)
{
    int64_t n_rows = training->batch * training->seq_len;
    int64_t readers;
    pkm_gpt_config config;

    PKM_TRY(pkm_gpt_config_from_options(&config, training, vocab_size));
    PKM_TRY(pkm_gpt_create(&bench->gpt, &config, true));
    PKM_TRY(pkm_gpt_tape(&bench->tape, bench->gpt, PKM_MODE_TRAIN, n_rows, false, NULL));
    PKM_TRY(pkm_alloc_array((void **)&bench->seed_grad, (size_t)n_rows, sizeof(float),
                            "loss gradients"));
    readers = config.shared_values ? bench->gpt->n_memories : 1;
    for (int i = 0; i < bench->gpt->n_stores; i++)
        PKM_TRY(pkm_store_reserve(bench->gpt->stores[i], n_rows * readers,
                                  config.memory.heads * config.memory.topk));
    bench->run = (pkm_run){.n_rows = n_rows, .seed = 1};
    bench->lr = 1e-4f;
    bench->value_lr = (float)training->value_lr;
    pkm_gpt_init(bench->gpt, 1);
    fill_inputs(bench, training->seq_len);
    return PKM_OK;
}

static pkm_status forward(train_bench *bench)
{
    bench->run.step++;
    pkm_params_pack(bench->gpt->params);
    return pkm_tape_forward(bench->tape, &bench->run);
}

static pkm_status update(train_bench *bench)
{
    const pkm_adamw_config adamw = {0.9f, 0.95f, 1e-8f, 0.1f};
    double norm;

    PKM_TRY(pkm_params_grad_norm(bench->gpt->params, &norm));
    for (int i = 0; i < bench->gpt->n_stores; i++)
        PKM_TRY(pkm_store_step(bench->gpt->stores[i], bench->run.step, bench->value_lr, 1.0f));
    return pkm_adamw_step(bench->gpt->params, &adamw, bench->run.step, bench->lr, 1.0f);
}

/* One step; ns[phase] = when the phase began, ns[N_PHASES - 1] when the last one ended. */
static pkm_status step(train_bench *bench, uint64_t ns[N_PHASES])
{
    ns[FORWARD] = pkm_clock_ns();
    PKM_TRY(forward(bench));
    ns[BACKWARD] = pkm_clock_ns();
    PKM_TRY(pkm_tape_backward(bench->tape, &bench->run, bench->seed_grad));
    ns[UPDATE] = pkm_clock_ns();
    PKM_TRY(update(bench));
    ns[STEP] = pkm_clock_ns();
    return PKM_OK;
}

static pkm_status measure(train_bench *bench, int64_t runs)
{
    uint64_t ns[N_PHASES];

    for (int phase = 0; phase < N_PHASES; phase++)
        PKM_TRY(pkm_alloc_array((void **)&bench->seconds[phase], (size_t)runs, sizeof(double),
                                "timings"));
    PKM_TRY(step(bench, ns)); /* warms caches, pages and clocks */
    pkm_tape_profile_reset(bench->tape);
    for (int64_t run = 0; run < runs; run++) {
        PKM_TRY(step(bench, ns));
        for (int phase = FORWARD; phase < STEP; phase++)
            bench->seconds[phase][run] = (double)(ns[phase + 1] - ns[phase]) * 1e-9;
        bench->seconds[STEP][run] = (double)(ns[STEP] - ns[FORWARD]) * 1e-9;
    }
    return PKM_OK;
}

static pkm_cost node_cost(const train_bench *bench, const pkm_node *node, bool backward)
{
    return node->op->cost == NULL || (backward && !node->runs_backward)
               ? (pkm_cost){0}
               : node->op->cost(node, bench->run.n_rows, backward);
}

/* The cost of the whole tape, one way. */
static pkm_cost tape_cost(const train_bench *bench, bool backward)
{
    pkm_cost sum = {0};

    for (int i = 0; i < pkm_tape_n_nodes(bench->tape); i++) {
        pkm_cost cost = node_cost(bench, pkm_tape_node(bench->tape, i), backward);

        sum.flops += cost.flops;
        sum.bytes += cost.bytes;
    }
    return sum;
}

static void report_phases(train_bench *bench, int64_t runs, pkm_bench_sink sink, void *user)
{
    static const char *const names[] = {"forward", "backward", "update", "step"};
    const pkm_cost forward = tape_cost(bench, false), backward = tape_cost(bench, true);
    const pkm_cost cost[] = {[FORWARD] = forward, [BACKWARD] = backward, [STEP] = {0, 0}};

    for (int phase = 0; phase < N_PHASES; phase++) {
        pkm_bench_figure figure = {
            .name = names[phase],
            .items = (double)bench->run.n_rows,
            .unit = "tokens",
            .bytes = cost[phase].bytes,
            .flops = cost[phase].flops,
        };

        pkm_bench_summarise(&figure, bench->seconds[phase], runs);
        sink(&figure, user);
    }
}

/* Means over the runs: the tape adds up the times of a node. */
static void report_node(const train_bench *bench, const pkm_node *node, bool backward,
                        pkm_bench_sink sink, void *user)
{
    const pkm_cost cost = node_cost(bench, node, backward);
    double total_ns = (double)(backward ? node->backward_ns : node->forward_ns);
    double seconds = node->runs > 0 ? total_ns * 1e-9 / (double)node->runs : 0;
    char name[128];

    snprintf(name, sizeof name, "%s %s", backward ? "backward" : "forward", node->name);
    sink(
        &(pkm_bench_figure){
            .name = name,
            .runs = (int64_t)node->runs,
            .min_s = seconds,
            .median_s = seconds,
            .max_s = seconds,
            .items = (double)bench->run.n_rows,
            .unit = "tokens",
            .bytes = cost.bytes,
            .flops = cost.flops,
        },
        user);
}

static void report_profile(const train_bench *bench, pkm_bench_sink sink, void *user)
{
    int n_nodes = pkm_tape_n_nodes(bench->tape);

    for (int i = 0; i < n_nodes; i++)
        report_node(bench, pkm_tape_node(bench->tape, i), false, sink, user);
    for (int i = n_nodes - 1; i >= 0; i--)
        if (pkm_tape_node(bench->tape, i)->runs_backward)
            report_node(bench, pkm_tape_node(bench->tape, i), true, sink, user);
}

static pkm_status run(const void *values, const pkm_train_options *training, pkm_bench_sink sink,
                      void *user)
{
    const train_values *options = values;
    train_bench bench = {0};
    pkm_status status = create(&bench, training, options->vocab_size);

    if (status == PKM_OK)
        status = measure(&bench, options->runs);
    if (status == PKM_OK) {
        report_phases(&bench, options->runs, sink, user);
        if (options->profile)
            report_profile(&bench, sink, user);
    }
    destroy(&bench);
    return status;
}

const pkm_bench pkm_bench_train = {
    .name = "train",
    .options = {rows, (int)(sizeof rows / sizeof rows[0]), sizeof(train_values)},
    .run_training = run,
};
