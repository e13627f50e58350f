/* SPDX-License-Identifier: Apache-2.0 */
/* Learning rate as a function of the step. */
#ifndef PKM_PARAMS_SCHEDULE_H
#define PKM_PARAMS_SCHEDULE_H

#include <stdint.h>

typedef enum pkm_schedule_kind {
    PKM_SCHEDULE_COSINE,  /* from lr to min_lr along half a cosine over the steps after warm-up */
    PKM_SCHEDULE_RSQRT,   /* lr * sqrt(warmup / step), at least min_lr (Vaswani et al. 2017) */
    PKM_SCHEDULE_CONSTANT /* lr */
} pkm_schedule_kind;

typedef struct pkm_schedule {
    pkm_schedule_kind kind;
    double lr, min_lr;
    int64_t warmup, steps; /* warm-up is linear: lr * step / warmup */
} pkm_schedule;

/* The rate of step `step`, counted from 1. */
double pkm_schedule_lr(const pkm_schedule *schedule, int64_t step);

#endif
