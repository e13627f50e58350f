/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run folder: checkpoints/step-NNNNNNNN/, checkpoints/{last,best} (small text files with the name
 * of a step folder), metrics.jsonl, and hard links to the model of the last checkpoint, so that the
 * folder itself is a model. One trainer at a time: a lock is held while it is open.
 *
 * Nothing outside the folder is written or removed, whatever is in it: links are not followed.
 */
#ifndef PKM_TRAIN_RUN_FOLDER_H
#define PKM_TRAIN_RUN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define PKM_METRICS_NAME "metrics.jsonl"

typedef struct pkm_run_folder {
    char *dir;         /* the run folder */
    char *checkpoints; /* dir/checkpoints */
    int lock;          /* file descriptor holding the lock */
} pkm_run_folder;

/* Creates what is missing, takes the lock, removes what an interrupted save left. A folder that
 * holds a run is refused unless resuming; one that holds a model of other origin always is. */
pkm_status pkm_run_folder_open(pkm_run_folder *out, const char *dir, bool resume);
void pkm_run_folder_close(pkm_run_folder *folder);

/* *held = the folder of this name is still the one that was opened: not removed, not moved away. */
pkm_status pkm_run_folder_held(const pkm_run_folder *folder, bool *held);

/* *out = path of the folder of a step; owned by the caller. */
pkm_status pkm_run_folder_step(const pkm_run_folder *folder, char **out, int64_t step);

/* *steps [*count] = those there are checkpoints of, newest first; pkm_free'd by the caller. */
pkm_status pkm_run_folder_steps(const pkm_run_folder *folder, int64_t **steps, size_t *count);

/* Renames the folder of a step that was found damaged to damaged-NNNNNNNN: it is not counted any
 * more, and nothing is lost. */
pkm_status pkm_run_folder_set_aside(const pkm_run_folder *folder, int64_t step);

/* After the checkpoint of `step` was renamed to its place: makes that last. */
pkm_status pkm_run_folder_sync(const pkm_run_folder *folder);
/* Then points `last` at it and links the model files. */
pkm_status pkm_run_folder_publish(const pkm_run_folder *folder, int64_t step);
/* Points `best` at the step; 0: there is no best. */
pkm_status pkm_run_folder_publish_best(const pkm_run_folder *folder, int64_t step);

/* Removes all but the newest `keep` checkpoints, those at multiples of `every` (0: none), and the
 * best. */
pkm_status pkm_run_folder_prune(const pkm_run_folder *folder, int64_t keep, int64_t every,
                                int64_t best_step);

#endif
