/* SPDX-License-Identifier: Apache-2.0 */
#include "params/schedule.h"

#include <math.h>

static double cosine(const pkm_schedule *schedule, int64_t step)
{
    double done = (double)(step - schedule->warmup);
    double all = (double)(schedule->steps - schedule->warmup);
    double part = all > 0 && done < all ? done / all : 1.0;

    return schedule->min_lr +
           (schedule->lr - schedule->min_lr) * 0.5 * (1.0 + cos(3.141592653589793 * part));
}

double pkm_schedule_lr(const pkm_schedule *schedule, int64_t step)
{
    if (step < schedule->warmup)
        return schedule->lr * (double)step / (double)schedule->warmup;
    switch (schedule->kind) {
    case PKM_SCHEDULE_COSINE:
        return cosine(schedule, step);
    case PKM_SCHEDULE_RSQRT: {
        double warmup = schedule->warmup > 0 ? (double)schedule->warmup : 1.0;

        return fmax(schedule->min_lr, schedule->lr * sqrt(warmup / (double)step));
    }
    case PKM_SCHEDULE_CONSTANT:
        break;
    }
    return schedule->lr;
}
