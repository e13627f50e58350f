/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --revive-every, --revive-below: the rule of src/memory/revive.h in all memories of a model, after
 * every so many steps. The sums of the window under way are part of a checkpoint (moments.h), and
 * a window is ended before the step that follows it: what is scored and saved at its end was not
 * meddled with, and a run that is resumed there revives the same.
 */
#ifndef PKM_TRAIN_REVIVAL_H
#define PKM_TRAIN_REVIVAL_H

#include "memory/revive.h"
#include "models/gpt.h"

/* Memories and tables are watched from now on; without memories, nothing. */
pkm_status pkm_revival_start(pkm_gpt *gpt);
/* Bytes that watching takes, of memory; of a checkpoint. 0 before the start. */
size_t pkm_revival_bytes(const pkm_gpt *gpt);
size_t pkm_revival_saved_bytes(const pkm_gpt *gpt);

/* A step was taken. */
void pkm_revival_took_step(pkm_gpt *gpt);

/* Ends the window of all memories: out [n_memories]. */
void pkm_revival_run(pkm_revived *out, pkm_gpt *gpt, const pkm_revive_rule *rule);

#endif
