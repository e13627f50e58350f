/* SPDX-License-Identifier: Apache-2.0 */
/* Saving in the middle of a training, and what a disk that fails means for it. */
#ifndef PKM_TRAIN_SAVE_H
#define PKM_TRAIN_SAVE_H

#include "train/trainer.h"

/*
 * Saves a checkpoint of the step the state is at, points to it and removes old ones; *saved tells
 * whether it is there.
 *
 * A full disk costs this checkpoint, and a warning: the training goes on and the next save tries
 * again. So does any other failure, but two in a row end the training. `must` is for the last save
 * of a process, whose failure always does; the message then names the last good checkpoint.
 */
pkm_status pkm_trainer_save(pkm_trainer *trainer, bool must, bool *saved);

/* Removes the checkpoints that are neither among those kept nor the best; a warning tells if that
 * fails: they are in nobody's way until the disk is full, which is told then. */
void pkm_trainer_prune(const pkm_trainer *trainer);

#endif
