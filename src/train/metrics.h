/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.jsonl: one JSON object a line, appended; cut back to a checkpoint's length on resume. */
#ifndef PKM_TRAIN_METRICS_H
#define PKM_TRAIN_METRICS_H

#include "pkm/train.h"

typedef struct pkm_metrics {
    int fd;
    int64_t bytes; /* written so far */
    char *path;
} pkm_metrics;

/* Opens dir/metrics.jsonl and cuts it to `bytes`. */
pkm_status pkm_metrics_open(pkm_metrics *out, const char *dir, int64_t bytes);
/* Cuts what is open to `bytes`. */
pkm_status pkm_metrics_cut(pkm_metrics *metrics, int64_t bytes);
void pkm_metrics_close(pkm_metrics *metrics);

/* Writes the line of a step or an evaluation, in one write. */
pkm_status pkm_metrics_write(pkm_metrics *metrics, const pkm_train_event *event);
/* What was written lasts from here on. */
pkm_status pkm_metrics_sync(pkm_metrics *metrics);

#endif
