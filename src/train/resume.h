/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a training starts from: nothing, another model's weights, or a checkpoint of its own run.
 * The five steps are called in this order while a trainer is created.
 */
#ifndef PKM_TRAIN_RESUME_H
#define PKM_TRAIN_RESUME_H

#include "train/trainer.h"

/* Reads the state of the newest checkpoint that holds, telling of each that does not; *checkpoint
 * is its folder, owned by the caller, or NULL for a fresh run. */
pkm_status pkm_resume_find(pkm_trainer *trainer, char **checkpoint);

/* The options in force: those of the run, where the caller did not give others, which is told. What
 * shapes the model cannot change, nor the number of sequences in a step. */
pkm_status pkm_resume_options(pkm_trainer *trainer, const pkm_option_set *given);

/* The data set must be the run's: both sides and the tokenizer. A new run notes it. */
pkm_status pkm_resume_data(pkm_trainer *trainer);

/* The model's configuration: the checkpoint's; that of init_from, where options given otherwise are
 * refused and the others follow it; or by the options. */
pkm_status pkm_resume_config(pkm_trainer *trainer, pkm_gpt_config *out, const char *checkpoint,
                             const char *init_from);

/* Weights and moments from the checkpoint, weights of init_from, or the initialisation.
 * PKM_ERR_NUMERIC names a tensor that was loaded and is not finite. */
pkm_status pkm_resume_tensors(pkm_trainer *trainer, const char *checkpoint, const char *init_from);

#endif
