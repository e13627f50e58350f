/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `pkm bench` runs. A benchmark is one file, bench_<name>.c, that defines one pkm_bench: its
 * options and a function that measures and hands each figure to a sink. Printing, as a table or as
 * JSON lines, is the tool's. A new benchmark: its file, its line at the end of this header, its row
 * in cli/main.c, its name in docs/schemas/bench.schema.json.
 */
#ifndef PKM_BENCH_BENCH_H
#define PKM_BENCH_BENCH_H

#include <stdint.h>

#include "pkm/train.h"

/* One measured thing: what a run did, how long it took over several runs, and how long it would
 * have taken at what bounds it. */
typedef struct pkm_bench_figure {
    const char *name;              /* "search", "forward h.2.memory" */
    int threads;                   /* that worked on it */
    int64_t runs;                  /* measured ones */
    double min_s, median_s, max_s; /* seconds per run */
    double items;                  /* done by one run, in `unit`; 0: not told */
    const char *unit;              /* "tokens", "rows" */
    double bytes, flops;           /* moved from and to memory, computed, by one run; 0: not told */
    double floor_s;                /* bytes and flops at the rates of their ceilings; 0: not told */
    const char *ceiling;           /* the figure that most of the floor comes from; NULL: none */
} pkm_bench_figure;

typedef void (*pkm_bench_sink)(const pkm_bench_figure *figure, void *user);

/* values: the struct that `options` describes. One of the two run functions is set. */
typedef struct pkm_bench {
    const char *name;
    pkm_option_table options; /* shapes, types, number of runs */
    pkm_status (*run)(const void *values, pkm_bench_sink sink, void *user);
    /* Of a benchmark that takes the options of pkm train too. */
    pkm_status (*run_training)(const void *values, const pkm_train_options *training,
                               pkm_bench_sink sink, void *user);
} pkm_bench;

extern const pkm_bench pkm_bench_ceilings; /* what bounds the others: memory, products, peaks */
extern const pkm_bench pkm_bench_search;   /* product-key search alone */
extern const pkm_bench pkm_bench_layer;    /* a memory layer: forward, backward, step */
extern const pkm_bench pkm_bench_train;    /* a training step of a whole model, and its profile */
extern const pkm_bench pkm_bench_score;    /* the forward pass of scoring */
extern const pkm_bench pkm_bench_decode;   /* one sequence, token by token */
extern const pkm_bench pkm_bench_tokenize; /* encoding, and learning a vocabulary */
extern const pkm_bench pkm_bench_kernels;  /* each row of the table of kernels */

#endif
