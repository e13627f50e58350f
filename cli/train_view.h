/* SPDX-License-Identifier: Apache-2.0 */
/* Shows a training: a pkm_train_callback, shared by pkm train and pkm demo. */
#ifndef PKM_CLI_TRAIN_VIEW_H
#define PKM_CLI_TRAIN_VIEW_H

#include "pkm/train.h"
#include "progress.h"

typedef struct train_view {
    progress bar;
    double val_loss;    /* of the last evaluation; 0: none yet */
    int64_t parameters; /* told by the plan */
    double used;        /* share of slots read, the least of all memories, at the last evaluation;
                           negative: there is no memory */
    bool brief;         /* leave out evaluations and checkpoints */
} train_view;

/* user: a train_view, zero but for title and brief. Stops the training once a signal asked to. */
int train_view_show(const pkm_train_event *event, void *user);

#endif
