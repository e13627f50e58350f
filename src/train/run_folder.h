/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run folder: checkpoints/step-NNNNNNNN/, checkpoints/{last,best} (small text files with the name
 * of a step folder), metrics.jsonl, and hard links to the model of the last checkpoint, so that the
 * folder itself is a model. One trainer at a time: a lock is held while it is open.
 */
#ifndef PKM_TRAIN_RUN_FOLDER_H
#define PKM_TRAIN_RUN_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct pkm_run_folder {
    char *dir;         /* the run folder */
    char *checkpoints; /* dir/checkpoints */
    int lock;          /* file descriptor holding the lock */
} pkm_run_folder;

/* Creates what is missing, takes the lock, removes what an interrupted save left. A folder that
 * holds a run is refused unless resuming. */
pkm_status pkm_run_folder_open(pkm_run_folder *out, const char *dir, bool resume);
void pkm_run_folder_close(pkm_run_folder *folder);

/* *out = path of the folder of a step; owned by the caller. */
pkm_status pkm_run_folder_step(const pkm_run_folder *folder, char **out, int64_t step);

/* The newest `n`-th (0 = newest) step there is, 0 if there are no more. */
pkm_status pkm_run_folder_newest(const pkm_run_folder *folder, int n, int64_t *step);

/* *count = checkpoints there are. */
pkm_status pkm_run_folder_count(const pkm_run_folder *folder, int64_t *count);

/* Renames the folder of a step that was found damaged to damaged-NNNNNNNN: it is not counted any
 * more, and nothing is lost. */
pkm_status pkm_run_folder_set_aside(const pkm_run_folder *folder, int64_t step);

/* After the checkpoint of `step` is complete: points `last` at it, links the model files. */
pkm_status pkm_run_folder_publish(const pkm_run_folder *folder, int64_t step);
/* Points `best` at the step; 0: there is no best. */
pkm_status pkm_run_folder_publish_best(const pkm_run_folder *folder, int64_t step);

/* Removes all but the newest `keep` checkpoints and the best. */
pkm_status pkm_run_folder_prune(const pkm_run_folder *folder, int64_t keep, int64_t best_step);

#endif
