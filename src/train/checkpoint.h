/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint is a folder that is a whole model and everything training needs to go on:
 *
 *   config.json  tokenizer.json  model.safetensors     the model
 *   optim.safetensors  state.json                      moments; step, tokens, log length, options
 *   MANIFEST.json                                      written last: sizes and checksums
 *
 * It is written under a temporary name and renamed when all of it is synced.
 */
#ifndef PKM_TRAIN_CHECKPOINT_H
#define PKM_TRAIN_CHECKPOINT_H

#include "models/gpt.h"
#include "pkm/model.h"

/* What a training is beside its tensors. Strings are owned; release frees them. */
typedef struct pkm_train_state {
    int64_t step, tokens;  /* done */
    double wall;           /* seconds of training */
    double smoothed_loss;  /* 0 before the first step */
    double loss_deviation; /* what src/train/health.c goes by, over `observed` steps */
    double smoothed_norm;
    int64_t observed;
    int64_t skipped; /* steps passed over; of those, the last ones in a row */
    int64_t skipped_in_row;
    int64_t rewinds;
    double best_val_loss;  /* infinity before the first evaluation */
    int64_t best_step;     /* 0: none */
    int64_t metrics_bytes; /* length of metrics.jsonl */
    char isa[16];          /* instruction set and provider of products it was saved with */
    char dense[64];
    char *data_hash; /* of the corpus */
    char *options;   /* JSON object of the options in force */
} pkm_train_state;

void pkm_train_state_release(pkm_train_state *state);

/* Bytes of the tensors of one checkpoint: weights, and for trained ones their moments. */
uint64_t pkm_checkpoint_bytes(const pkm_gpt *gpt);

/* Writes the checkpoint folder `dir` (by way of dir.tmp-<pid>). tokenizer: the text of
 * tokenizer.json. */
pkm_status pkm_checkpoint_save(const char *dir, const pkm_gpt *gpt, const pkm_train_state *state,
                               const char *tokenizer, size_t tokenizer_bytes);

/* Checks the folder against its manifest; then reads what is not a tensor. */
pkm_status pkm_checkpoint_load_state(pkm_train_state *out, const char *dir, pkm_verify_level level);

/* Weights and moments into a model created for training with the same configuration. */
pkm_status pkm_checkpoint_load_tensors(pkm_gpt *gpt, const char *dir);

#endif
