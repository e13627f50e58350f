/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measuring work beside the ceilings it is judged by. Everything timed is a task; a ceiling is a
 * task like any other: a bare loop or product (row_probe.h, peak.h, product.h). All tasks of a
 * measurement run in turn, round after round, so that work and ceiling see the same machine.
 *
 * The floor of a run is the time its parts would take at the rates of their ceilings:
 *
 *   floor = sum over parts of amount / rate of the part's ceiling
 *
 * or the longest of these, where parts may overlap.
 */
#ifndef PKM_BENCH_MEASURE_H
#define PKM_BENCH_MEASURE_H

#include "bench.h"

enum { PKM_TASK_NAME = 64, PKM_TASK_PARTS = 6 };

/* What a run does that one ceiling bounds: flops if that ceiling computes, else bytes. */
typedef struct pkm_floor_part {
    int ceiling; /* its task */
    double amount;
} pkm_floor_part;

/* The seconds of an earlier task in the same round, times `sign`. */
typedef struct pkm_task_term {
    int task;
    double sign;
} pkm_task_term;

/* Its seconds come from body, told or terms: one of them is set. */
typedef struct pkm_task {
    char name[PKM_TASK_NAME];
    pkm_status (*body)(void *user);      /* is timed; runs once unmeasured, then once per round */
    double (*told)(void *user);          /* seconds of this round by the work's own clock */
    pkm_task_term terms[PKM_TASK_PARTS]; /* a sum of those with a sign */
    void *user;
    void (*release)(void *user); /* of what the measurement is to own; NULL: borrowed */
    bool ceiling;                /* of the work that comes next, and of others */
    int threads;                 /* 0: as many as are set */
    double items;                /* done by a run, in `unit`; 0: not told */
    const char *unit;
    double bytes, flops;                  /* of a run, beside those of its parts */
    pkm_floor_part parts[PKM_TASK_PARTS]; /* those with an amount above 0 */
    bool parts_overlap;
} pkm_task;

typedef struct pkm_measure pkm_measure;

pkm_status pkm_measure_create(pkm_measure **out, int64_t runs);

/* Releases what its tasks handed over, too. */
void pkm_measure_destroy(pkm_measure *measure);

/* Appends a task; *index (may be NULL) names it. On failure, too, task->user belongs to the
 * measurement if it has a release. */
pkm_status pkm_measure_add(pkm_measure *measure, int *index, const pkm_task *task);

/* A round unmeasured, then `runs` of them. In every second one the work comes before the ceilings
 * that stand before it: the later finds warmer caches. The first failure of a body ends it. */
pkm_status pkm_measure_run(pkm_measure *measure);

/* After the run: bytes or flops per second of a ceiling, at its median. */
double pkm_measure_rate(const pkm_measure *measure, int ceiling);

/* After the run: the figures of all tasks, in the order they were added. */
void pkm_measure_report(const pkm_measure *measure, pkm_bench_sink sink, void *user);

/* All of that in one call: `add` adds the tasks, which may borrow from `what`. */
typedef pkm_status (*pkm_measure_tasks)(pkm_measure *measure, void *what);
pkm_status pkm_measure_all(int64_t runs, pkm_measure_tasks add, void *what, pkm_bench_sink sink,
                           void *user);

/* The numbers of threads to measure with: one, and all where these are more; returns how many. */
int pkm_bench_threads(int out[2]);

/* Fills runs, min_s, median_s and max_s of figure from seconds[0..runs), which are sorted. */
void pkm_bench_summarise(pkm_bench_figure *figure, double *seconds, int64_t runs);

#endif
