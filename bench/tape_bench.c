/* SPDX-License-Identifier: Apache-2.0 */
#include "tape_bench.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/size.h"
#include "bench_model.h"
#include "memory/memory_config.h"
#include "ops/ops.h"
#include "step_products.h"
#include "store_walk.h"

/* Of the table that bandwidth is measured on: more than a run visits, so that it comes from memory.
 */
enum { TABLE_BYTES = 1 << 28, VISIT_BYTES = 1 << 24, IN_ORDER_BYTES = 4096 };

#define AT(field) offsetof(pkm_tape_values, field)

const pkm_option pkm_tape_rows[PKM_TAPE_ROWS] = {
    {"vocab_size", PKM_OPTION_INT, AT(vocab_size), 2, 1000000, "8192", NULL, "tokens", NULL,
     "vocabulary of the model"},
    {"runs", PKM_OPTION_INT, AT(runs), 1, 1000000, "10", NULL, NULL, NULL, "measured runs"},
    {"profile", PKM_OPTION_BOOL, AT(profile), 0, 0, NULL, NULL, NULL, NULL,
     "a figure for each operation of the model, either way"},
};

/* What a node's own clock said before; its node and way. */
typedef struct pkm_node_clock {
    const pkm_node *node;
    bool backward;
    uint64_t before_ns;
} node_clock;

static void fill_inputs(pkm_tape_bench *bench, int64_t seq_len)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.tokens")};
    uint64_t n_rows = (uint64_t)bench->run.n_rows;
    uint64_t vocab_size = (uint64_t)bench->gpt->config.vocab_size;
    int32_t *ids = pkm_tape_find(bench->tape, "ids")->data;
    int32_t *targets = pkm_tape_find(bench->tape, "targets")->data;
    int32_t *sequence = pkm_tape_find(bench->tape, "sequence")->data;
    int32_t *position = pkm_tape_find(bench->tape, "position")->data;

    for (uint64_t row = 0; row < n_rows; row++) {
        ids[row] = (int32_t)(pkm_rng_u32(&rng, row) % vocab_size);
        targets[row] = (int32_t)(pkm_rng_u32(&rng, n_rows + row) % vocab_size);
        sequence[row] = (int32_t)((int64_t)row / seq_len);
        position[row] = (int32_t)((int64_t)row % seq_len);
    }
}

static pkm_status create(pkm_tape_bench *bench, const pkm_train_options *training,
                         int64_t vocab_size, pkm_mode mode)
{
    int64_t n_rows = training->batch * training->seq_len;

    PKM_TRY(pkm_bench_model(&bench->gpt, training, vocab_size, mode == PKM_MODE_TRAIN));
    PKM_TRY(pkm_gpt_tape(&bench->tape, bench->gpt, mode, n_rows, false, NULL));
    bench->run = (pkm_run){.n_rows = n_rows, .seed = 1};
    fill_inputs(bench, training->seq_len);
    return pkm_alloc_array((void **)&bench->clocks,
                           pkm_size_product(2, (size_t)pkm_tape_n_nodes(bench->tape)),
                           sizeof *bench->clocks, "clocks");
}

pkm_status pkm_tape_bench_create(pkm_tape_bench *out, const pkm_train_options *training,
                                 int64_t vocab_size, pkm_mode mode)
{
    pkm_status status;

    *out = (pkm_tape_bench){0};
    status = create(out, training, vocab_size, mode);
    if (status != PKM_OK)
        pkm_tape_bench_release(out);
    return status;
}

void pkm_tape_bench_release(pkm_tape_bench *bench)
{
    pkm_row_table_release(&bench->streamed);
    pkm_free(bench->gathered);
    pkm_free(bench->clocks);
    pkm_tape_destroy(bench->tape);
    pkm_gpt_destroy(bench->gpt);
}

static pkm_status add_stream(pkm_measure *measure, pkm_tape_bench *bench)
{
    PKM_TRY(pkm_row_table_create(&bench->streamed, TABLE_BYTES));
    PKM_TRY(pkm_row_table_lay(&bench->streamed, IN_ORDER_BYTES, VISIT_BYTES, false));
    bench->streamed.walk.rewrite = true;
    return pkm_row_probe_add(measure, &bench->stream, "memory rewritten in order",
                             &bench->streamed.walk, 0);
}

/* As many rows as a memory reads, drawn evenly. */
static pkm_status add_gather(pkm_measure *measure, pkm_tape_bench *bench)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.rows")};
    const pkm_memory_config *memory = &bench->gpt->config.memory;
    int64_t n_ids = bench->run.n_rows * memory->heads * memory->topk;
    uint64_t slots = (uint64_t)pkm_memory_slots(memory);
    pkm_row_walk walk;

    PKM_TRY(pkm_alloc_array((void **)&bench->gathered, (size_t)n_ids, sizeof *bench->gathered,
                            "row ids"));
    for (int64_t i = 0; i < n_ids; i++)
        bench->gathered[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % slots);
    PKM_TRY(pkm_store_walk(&walk, bench->gpt->stores[0], false));
    walk.ids = bench->gathered;
    walk.n_ids = walk.slice = n_ids;
    return pkm_row_probe_add(measure, &bench->gather, "value rows only read", &walk, 0);
}

pkm_status pkm_tape_bench_ceilings(pkm_measure *measure, pkm_tape_bench *bench)
{
    PKM_TRY(pkm_step_products_add(measure, &bench->products, bench->gpt->params, bench->run.n_rows,
                                  bench->gpt->train));
    PKM_TRY(add_stream(measure, bench));
    return bench->gpt->n_stores > 0 ? add_gather(measure, bench) : PKM_OK;
}

static pkm_cost node_cost(const pkm_tape_bench *bench, const pkm_node *node, bool backward)
{
    return node->op->cost == NULL || (backward && !node->runs_backward)
               ? (pkm_cost){0}
               : node->op->cost(node, bench->run.n_rows, backward);
}

static bool is_memory(const pkm_node *node)
{
    return node->op == &pkm_op_memory_lookup;
}

void pkm_tape_bench_parts(pkm_floor_part out[2], const pkm_tape_bench *bench, bool backward)
{
    out[0] = (pkm_floor_part){.ceiling = bench->products};
    out[1] = (pkm_floor_part){.ceiling = bench->gather};
    for (int i = 0; i < pkm_tape_n_nodes(bench->tape); i++) {
        const pkm_node *node = pkm_tape_node(bench->tape, i);
        const pkm_cost cost = node_cost(bench, node, backward);

        out[0].amount += cost.flops;
        out[1].amount += is_memory(node) ? cost.bytes : 0;
    }
}

/* Seconds of a node since they were last asked for. */
static double node_seconds(void *user)
{
    node_clock *clock = user;
    uint64_t ns = clock->backward ? clock->node->backward_ns : clock->node->forward_ns;
    uint64_t since_ns = ns - clock->before_ns;

    clock->before_ns = ns;
    return (double)since_ns * 1e-9;
}

static pkm_status add_node(pkm_measure *measure, const pkm_tape_bench *bench, node_clock *clock)
{
    const pkm_node *node = clock->node;
    const pkm_cost cost = node_cost(bench, node, clock->backward);
    pkm_task task = {.told = node_seconds,
                     .user = clock,
                     .items = (double)bench->run.n_rows,
                     .unit = "tokens",
                     .parts = {{bench->products, cost.flops},
                               {is_memory(node) ? bench->gather : bench->stream, cost.bytes}},
                     .parts_overlap = true};

    snprintf(task.name, sizeof task.name, "%s %s", clock->backward ? "backward" : "forward",
             node->name);
    return pkm_measure_add(measure, NULL, &task);
}

pkm_status pkm_tape_bench_profile(pkm_measure *measure, pkm_tape_bench *bench, bool backward)
{
    int n_nodes = pkm_tape_n_nodes(bench->tape);
    node_clock *clocks = bench->clocks + (backward ? n_nodes : 0);

    for (int i = 0; i < n_nodes; i++) {
        const pkm_node *node = pkm_tape_node(bench->tape, backward ? n_nodes - 1 - i : i);

        clocks[i] = (node_clock){.node = node, .backward = backward};
        if (!backward || node->runs_backward)
            PKM_TRY(add_node(measure, bench, &clocks[i]));
    }
    return PKM_OK;
}

double pkm_tape_bench_nodes(pkm_tape_bench *bench)
{
    uint64_t ns = 0, since_ns;

    for (int i = 0; i < pkm_tape_n_nodes(bench->tape); i++) {
        const pkm_node *node = pkm_tape_node(bench->tape, i);

        ns += node->forward_ns + node->backward_ns;
    }
    since_ns = ns - bench->nodes_ns;
    bench->nodes_ns = ns;
    return (double)since_ns * 1e-9;
}
