/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pieces of real work that are killed: training a tokenizer, making a data set, and training a
 * model with a memory layer, with evaluations and a checkpoint every few steps.
 */
#ifndef PKM_TESTS_WORK_H
#define PKM_TESTS_WORK_H

#include <stdbool.h>

#include "support/run.h"

typedef enum work_kind { WORK_TOKENIZER, WORK_DATA, WORK_F32, WORK_BF16, WORK_KINDS } work_kind;

/* What a process at work tells its parent through shared memory. */
typedef struct work_report {
    int64_t started; /* step that training went on from; -1: not yet */
    int64_t saved;   /* newest checkpoint announced */
} work_report;

const char *work_name(work_kind kind);

/* Does the work, or goes on with what a killed process left of it, in `out`; the result is there
 * when it returns. keep: checkpoints kept. */
pkm_status work_do(work_kind kind, const small_world *world, const char *out, int threads, int keep,
                   work_report *report);

/* What must hold at any time after a kill: nothing under a final name is half-made or differs from
 * `whole`, the work of a process that was left alone and kept every checkpoint. Says what does not.
 */
bool work_is_sound(work_kind kind, const char *out, const char *whole);

/* Whether a model that is published in `out` can be loaded. */
pkm_status work_load(work_kind kind, const char *out);

#endif
