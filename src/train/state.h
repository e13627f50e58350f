/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: where a training stands, and what it was started with. */
#ifndef PKM_TRAIN_STATE_H
#define PKM_TRAIN_STATE_H

#include "train/checkpoint.h"

pkm_status pkm_train_state_save(const char *dir, const pkm_train_state *state);
pkm_status pkm_train_state_load(pkm_train_state *out, const char *dir);

#endif
