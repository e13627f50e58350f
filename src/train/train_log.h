/* SPDX-License-Identifier: Apache-2.0 */
/* What a training writes down in its run folder: metrics.jsonl and, if wanted, event files. */
#ifndef PKM_TRAIN_TRAIN_LOG_H
#define PKM_TRAIN_TRAIN_LOG_H

#include "train/event_log.h"
#include "train/metrics.h"

typedef struct pkm_train_log {
    pkm_metrics metrics;
    pkm_event_log events;
} pkm_train_log;

/* Opens metrics.jsonl in dir, cut to `bytes`, of which *missing are not there, and, with `events`,
 * a file of events after `step`. */
pkm_status pkm_train_log_open(pkm_train_log *out, const char *dir, bool events, int64_t bytes,
                              int64_t step, int64_t *missing);
/* One that is all zero, too. */
void pkm_train_log_close(pkm_train_log *log);

/* What event files do not know is in metrics.jsonl alone. */
pkm_status pkm_train_log_write(pkm_train_log *log, const pkm_train_event *event);

#endif
