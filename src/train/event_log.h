/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUN/tensorboard: what metrics.jsonl holds, as event files. A file is named for the step it begins
 * after; each process that trains begins one. Nothing rests on them: they are neither synced nor
 * read back.
 */
#ifndef PKM_TRAIN_EVENT_LOG_H
#define PKM_TRAIN_EVENT_LOG_H

#include "base/strbuf.h"
#include "pkm/train.h"

typedef struct pkm_event_log {
    int fd; /* -1: none are written */
    int64_t bytes;
    char *path;
    pkm_strbuf record; /* the one being written */
} pkm_event_log;

/* Begins a file after `step`, and takes away those that begin there or later: what they told of is
 * done anew. */
pkm_status pkm_event_log_open(pkm_event_log *out, const char *run, int64_t step);
void pkm_event_log_close(pkm_event_log *log);

/* The scalars of a step or an evaluation; a rewind voids those after its step; nothing of other
 * events. After a failure the next record takes the place of this one. */
pkm_status pkm_event_log_write(pkm_event_log *log, const pkm_train_event *event);

#endif
