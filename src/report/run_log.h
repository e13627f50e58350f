/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics.jsonl of a run tells (docs/formats.md), in bounded memory, whatever is in it. */
#ifndef PKM_REPORT_RUN_LOG_H
#define PKM_REPORT_RUN_LOG_H

#include "pkm/memory.h"
#include "report/series.h"

typedef struct pkm_memory_log {
    int64_t layer, slots;
    pkm_series used, top1_used, kl;
    int n_ranks; /* the distribution at the last evaluation; 0: an older file, which has none */
    double rank[PKM_USAGE_RANKS], mass[PKM_USAGE_RANKS];
} pkm_memory_log;

typedef struct pkm_run_log {
    char *name; /* printable UTF-8 */
    pkm_series loss, val_loss, tok_per_s;
    pkm_memory_log *memories; /* [n_memories], in the order of the file */
    int n_memories;
    double step, tokens, wall;  /* of the last line; wall NaN where it is missing */
    double last_loss, last_val; /* NaN: there is none */
    double best_val;
    int64_t n_incidents; /* spikes, steps passed over, rewinds */
} pkm_run_log;

/* Reads dir/metrics.jsonl. Fields that are not known are passed over; one of the wrong type or
 * range is PKM_ERR_FORMAT, which names the line. */
pkm_status pkm_run_log_load(pkm_run_log *out, const char *dir, const char *name);
void pkm_run_log_release(pkm_run_log *log);

/* *out = text with what is no printable UTF-8 replaced by '?', and without slashes at its end;
 * owned by the caller. */
pkm_status pkm_label(char **out, const char *text);

#endif
