/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a training is well: is the model finite, and does a step look like those before it?
 *
 * With L the loss of a step, G the norm of its dense gradient before clipping, and M, D, N running
 * means (over about 50 steps) of L, |L - M| and G, a step is a spike if
 *
 *   L > M + factor * max(D, M / 100)     or     G > factor * N
 *
 * and the means hold 100 steps or more. The floor M / 100 is for runs whose loss hardly moves.
 */
#ifndef PKM_TRAIN_HEALTH_H
#define PKM_TRAIN_HEALTH_H

#include "train/checkpoint.h"

/* PKM_ERR_NUMERIC names the first moment, weight, statistic or value that is a NaN or an infinity.
 * Reads all of the model once. */
pkm_status pkm_health_check(const pkm_gpt *gpt);
/* The same for one tensor. */
pkm_status pkm_health_check_param(const pkm_param *param);

/* PKM_ERR_NUMERIC if the step that comes next, of this loss and norm, is a spike; factor 0: never.
 */
pkm_status pkm_health_spike(const pkm_train_state *state, double factor, double loss, double norm);

/* Takes the loss and norm of a step into the running means. */
void pkm_health_observe(pkm_train_state *state, double loss, double norm);

#endif
