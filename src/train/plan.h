/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From options to numbers: how many steps, which rates, and what the run will take in memory and
 * on disk; refuses, with those numbers, what does not fit.
 */
#ifndef PKM_TRAIN_PLAN_H
#define PKM_TRAIN_PLAN_H

#include "models/gpt.h"
#include "params/adamw.h"
#include "params/schedule.h"
#include "pkm/train.h"

typedef struct pkm_train_plan {
    int64_t rows;            /* per micro-batch: batch * seq_len */
    int64_t tokens_per_step; /* rows * grad_accum */
    int64_t steps;           /* in all */
    pkm_schedule schedule;   /* of the dense parameters */
    double key_lr_ratio;     /* of keys and query networks, to that of the others */
    pkm_schedule value_schedule;
    pkm_adamw_config adamw;
} pkm_train_plan;

/* train_tokens: on the training side of the data, for --epochs. */
pkm_status pkm_train_plan_make(pkm_train_plan *out, const pkm_train_options *options,
                               const pkm_gpt_config *config, int64_t train_tokens);

/* Bytes of all checkpoints the run may keep at once, the one being written included, beside the
 * `present` ones it has already. */
uint64_t pkm_train_plan_disk(const pkm_train_plan *plan, const pkm_train_options *options,
                             const pkm_gpt *gpt, int64_t present);

/* PKM_ERR_NOMEM, with both numbers, if `needed` exceeds what could be had. */
pkm_status pkm_train_check_memory(uint64_t needed);
pkm_status pkm_train_check_disk(uint64_t needed, const char *dir);

#endif
