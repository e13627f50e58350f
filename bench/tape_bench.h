/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of the options of pkm train on a tape with random tokens, and the ceilings of its work:
 * its products alone, rows of its value tables, memory rewritten in order.
 */
#ifndef PKM_BENCH_TAPE_BENCH_H
#define PKM_BENCH_TAPE_BENCH_H

#include "measure.h"
#include "models/gpt.h"
#include "row_table.h"

/* The options of benchmarks that run a tape. */
typedef struct pkm_tape_values {
    int64_t vocab_size, runs;
    bool profile;
} pkm_tape_values;

enum { PKM_TAPE_ROWS = 3 };
extern const pkm_option pkm_tape_rows[PKM_TAPE_ROWS];

typedef struct pkm_tape_bench {
    pkm_gpt *gpt;
    pkm_tape *tape;
    pkm_run run;
    struct pkm_node_clock *clocks; /* [2 n_nodes] of the nodes that are timed */
    uint64_t nodes_ns;             /* what all their clocks said before */

    int products, stream, gather; /* ceilings: tasks; gather only if there are memories */
    pkm_row_table streamed;
    int32_t *gathered; /* rows of the first value table */
} pkm_tape_bench;

/* TRAIN or SCORE: a planned tape for batch sequences of seq_len tokens, its inputs filled. */
pkm_status pkm_tape_bench_create(pkm_tape_bench *out, const pkm_train_options *training,
                                 int64_t vocab_size, pkm_mode mode);
void pkm_tape_bench_release(pkm_tape_bench *bench);

/* Adds the ceilings. */
pkm_status pkm_tape_bench_ceilings(pkm_measure *measure, pkm_tape_bench *bench);

/* The floor of a pass: the flops of all nodes at the rate of the products, the bytes of memory
 * nodes at that of the rows; what other nodes move may stay in caches. */
void pkm_tape_bench_parts(pkm_floor_part out[2], const pkm_tape_bench *bench, bool backward);

/* Adds a task per node that runs that way, by the tape's own clock, and its floor. */
pkm_status pkm_tape_bench_profile(pkm_measure *measure, pkm_tape_bench *bench, bool backward);

/* Seconds that all nodes have taken since they were last asked for. */
double pkm_tape_bench_nodes(pkm_tape_bench *bench);

#endif
