/* SPDX-License-Identifier: Apache-2.0 */
/* Shows a training: a pkm_train_callback, shared by pkm train and pkm demo. */
#ifndef PKM_CLI_TRAIN_VIEW_H
#define PKM_CLI_TRAIN_VIEW_H

#include "pkm/train.h"
#include "progress.h"

typedef struct train_view {
    progress bar;
    bool brief;         /* leave out evaluations and checkpoints */
    int64_t parameters; /* told by the plan */
    double val_loss;    /* of the last evaluation; 0: none yet */
    /* the first and the last step seen: seconds and tokens then */
    double first_wall, last_wall;
    int64_t first_tokens, last_tokens;
} train_view;

/* user: a train_view, zero but for title and brief. Stops the training once a signal asked to. */
int train_view_show(const pkm_train_event *event, void *user);

/* Tokens per second from the first step to the last, 0 if there were not two. */
double train_view_rate(const train_view *view);

#endif
