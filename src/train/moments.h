/* SPDX-License-Identifier: Apache-2.0 */
/*
 * optim.safetensors: the moments of every trained tensor, <tensor>.exp_avg and so on, and where a
 * run revives (revival.h), <tensor>.reads of keys and value tables.
 */
#ifndef PKM_TRAIN_MOMENTS_H
#define PKM_TRAIN_MOMENTS_H

#include "models/gpt.h"

pkm_status pkm_moments_save(const char *dir, const pkm_gpt *gpt);
pkm_status pkm_moments_load(pkm_gpt *gpt, const char *dir);

/* As before the first step. */
pkm_status pkm_moments_clear(pkm_gpt *gpt);

/* PKM_ERR_NUMERIC names the first that is not finite. */
pkm_status pkm_moments_check(const pkm_gpt *gpt);

#endif
