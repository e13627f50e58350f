/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One training: model, data, tapes, run folder and where it stands. Created by trainer_setup.c,
 * driven step by step by train.c.
 */
#ifndef PKM_TRAIN_TRAINER_H
#define PKM_TRAIN_TRAINER_H

#include "text/batches.h"
#include "train/checkpoint.h"
#include "train/collapse.h"
#include "train/plan.h"
#include "train/run_folder.h"
#include "train/scorer.h"
#include "train/train_log.h"

typedef struct pkm_trainer {
    /* what was asked for */
    pkm_option_set *options; /* owned: merged with those of the run being resumed */
    const pkm_train_options *values;
    pkm_train_plan plan;
    pkm_train_callback callback; /* may be NULL */
    void *user;
    const char *data_dir;    /* borrowed */
    const char *init_from;   /* borrowed, or NULL */
    pkm_verify_level verify; /* of what is loaded */

    /* what is trained, on what */
    pkm_gpt *gpt;
    pkm_data *train_data, *val_data;
    pkm_batches batches;
    char *tokenizer; /* text of tokenizer.json */
    size_t tokenizer_bytes;

    /* one step */
    pkm_tape *tape;
    pkm_tensor *ids, *targets, *sequence, *position, *loss;
    float *seed_grad;  /* [rows]: d(mean loss of the step) / d(loss of a row) */
    pkm_scorer scorer; /* of the held-out side; tape NULL if there is none */

    /* where it stands */
    pkm_run_folder folder;
    pkm_train_log log;
    pkm_train_state state;
    double last_loss;                    /* of the last step */
    double val_loss;                     /* of the last evaluation, NaN before it */
    pkm_collapse collapse[PKM_LIST_MAX]; /* of each memory */

    /* what is saved */
    int64_t saved_step;      /* newest complete checkpoint, 0: none */
    int64_t saved_best_step; /* best evaluation with a checkpoint, 0: none; its loss */
    double saved_best_loss;
    int64_t published_best; /* what `best` says, 0: none */
    int failed_saves;       /* in a row, full disks not counted */
} pkm_trainer;

/* Opens, checks, allocates and fills everything; on failure nothing is left open. */
pkm_status pkm_trainer_create(pkm_trainer **out, const pkm_train_paths *paths,
                              const pkm_option_set *options, pkm_train_callback callback,
                              void *user);
void pkm_trainer_destroy(pkm_trainer *trainer);

/* The loop, to the last step or until a callback asks to stop (pkm_train). */
pkm_status pkm_trainer_run(pkm_trainer *trainer, pkm_train_result *out);

/* Why a step could not be taken. */
typedef enum pkm_fault {
    PKM_FAULT_OTHER,   /* memory, files: nothing a policy is for */
    PKM_FAULT_DATA,    /* its data are damaged */
    PKM_FAULT_NUMBERS, /* the model is finite; an activation, the loss or a gradient is not */
    PKM_FAULT_SPIKE,   /* all is finite, but far from what it was before */
    PKM_FAULT_MODEL    /* a weight, moment, statistic or value is not finite */
} pkm_fault;
/* Tells the callback a sentence. */
void pkm_trainer_warn(const pkm_trainer *trainer, const char *sentence);

/* What one step found. */
typedef struct pkm_step_result {
    double loss, grad_norm, lr;
    float scale, value_scale; /* that clip the gradients */
    pkm_fault fault;          /* of a failure */
} pkm_step_result;

/* Forward and backward of step state.step + 1. On failure everything is as it was before, and the
 * message names the first culprit. */
pkm_status pkm_trainer_gather(pkm_trainer *trainer, pkm_step_result *out);
/* Ends a step after gathering: applies it, or drops it as if it had not been. The state is left to
 * the caller. */
pkm_status pkm_trainer_update(pkm_trainer *trainer, pkm_step_result *gathered);
void pkm_trainer_drop(pkm_trainer *trainer);

#endif
