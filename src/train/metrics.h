/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.jsonl: one JSON object a line, appended; cut back to a checkpoint's length on resume. */
#ifndef PKM_TRAIN_METRICS_H
#define PKM_TRAIN_METRICS_H

#include <stdbool.h>

#include "pkm/train.h"

typedef struct pkm_metrics {
    int fd;
    int64_t bytes;   /* of whole lines */
    bool torn;       /* there may be more than these in the file */
    bool unsyncable; /* an fsync of this file failed */
    char *path;
} pkm_metrics;

/* Opens dir/metrics.jsonl and cuts it to `bytes`; *missing = how many of these it lacks. */
pkm_status pkm_metrics_open(pkm_metrics *out, const char *dir, int64_t bytes, int64_t *missing);
/* Cuts what is open to `bytes`, if it is longer. */
pkm_status pkm_metrics_cut(pkm_metrics *metrics, int64_t bytes);
void pkm_metrics_close(pkm_metrics *metrics);

/* Writes the line of a step or an evaluation; after a failure none of it is left in the file. */
pkm_status pkm_metrics_write(pkm_metrics *metrics, const pkm_train_event *event);
/* What was written lasts from here on. After a failure the next call writes a new file. */
pkm_status pkm_metrics_sync(pkm_metrics *metrics);

#endif
