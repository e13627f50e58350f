/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a step that could not be taken, by --on-nan and --on-spike:
 *
 *   stop    training ends; the message says which checkpoint to go on from, and what to try
 *   skip    the step's data are passed over, as if they were not there: nothing of it is learnt;
 *           until a step succeeds, no checkpoint is written merely because it is due
 *   rewind  back to the newest checkpoint that holds (or the start), on with other data: the number
 *           of rewinds is part of the key of the data's order
 *
 * Data that cannot be read harm no weight: rewind passes over them as skip does. A model that is
 * not finite itself is not mended by passing over data: skip ends the run as stop does.
 */
#ifndef PKM_TRAIN_RECOVER_H
#define PKM_TRAIN_RECOVER_H

#include "train/trainer.h"

/* In the order of the choices of on_nan and on_spike. */
typedef enum pkm_policy {
    PKM_POLICY_STOP,
    PKM_POLICY_SKIP,
    PKM_POLICY_REWIND,
    PKM_POLICY_WARN /* of spikes only: the step is taken all the same */
} pkm_policy;

/* Steps passed over one after another, and rewinds to one checkpoint, before the run ends. */
enum { PKM_MOST_SKIPS = 10, PKM_MOST_REWINDS = 3 };

typedef struct pkm_recovery {
    int kind;          /* PKM_EVENT_SKIP or PKM_EVENT_REWIND */
    int64_t from_step; /* the step that could not be taken */
    char reason[1024];
} pkm_recovery;

/* `status` and its message are the step's. Returns them, with advice, where training ends. */
pkm_status pkm_trainer_recover(pkm_trainer *trainer, pkm_recovery *out, pkm_status status,
                               pkm_fault fault);

#endif
