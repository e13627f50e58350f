/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_log.h"

pkm_status pkm_train_log_open(pkm_train_log *out, const char *dir, bool events, int64_t bytes,
                              int64_t step, int64_t *missing)
{
    pkm_train_log log = {.events.fd = -1};
    pkm_status status;

    PKM_TRY(pkm_metrics_open(&log.metrics, dir, bytes, missing));
    status = events ? pkm_event_log_open(&log.events, dir, step) : PKM_OK;
    if (status != PKM_OK) {
        pkm_train_log_close(&log);
        return status;
    }
    *out = log;
    return PKM_OK;
}

void pkm_train_log_close(pkm_train_log *log)
{
    pkm_metrics_close(&log->metrics);
    pkm_event_log_close(&log->events);
}

pkm_status pkm_train_log_write(pkm_train_log *log, const pkm_train_event *event)
{
    PKM_TRY(pkm_metrics_write(&log->metrics, event));
    return pkm_event_log_write(&log->events, event);
}
