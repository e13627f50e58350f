/* SPDX-License-Identifier: Apache-2.0 */
#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/strbuf.h"
#include "format/json.h"
#include "train/usage_json.h"

pkm_status pkm_metrics_open(pkm_metrics *out, const char *dir, int64_t bytes)
{
    pkm_metrics metrics = {.fd = -1};

    PKM_TRY(pkm_path_join(&metrics.path, dir, "metrics.jsonl"));
    metrics.fd =
        pkm_io()->open(AT_FDCWD, metrics.path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (metrics.fd < 0)
        pkm_fail_errno(PKM_ERR_IO, "%s: cannot open for writing", metrics.path);
    if (metrics.fd < 0 || pkm_metrics_cut(&metrics, bytes) != PKM_OK) {
        pkm_metrics_close(&metrics);
        return PKM_ERR_IO;
    }
    *out = metrics;
    return PKM_OK;
}

pkm_status pkm_metrics_cut(pkm_metrics *metrics, int64_t bytes)
{
    if (pkm_io()->truncate(metrics->fd, (off_t)bytes) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot cut the log", metrics->path);
    metrics->bytes = bytes;
    return PKM_OK;
}

void pkm_metrics_close(pkm_metrics *metrics)
{
    if (metrics->path != NULL && metrics->fd >= 0)
        pkm_io()->close(metrics->fd);
    pkm_free(metrics->path);
    *metrics = (pkm_metrics){.fd = -1};
}

/* The sentence as a JSON string; a file's name in it may be any bytes. */
static pkm_status format_reason(pkm_strbuf *line, const char *sentence)
{
    json_t *reason = json_string(sentence);
    pkm_status status;

    if (reason == NULL)
        reason = json_string("(not UTF-8)");
    status = pkm_json_append(line, reason, JSON_ENCODE_ANY);
    json_decref(reason);
    return status;
}

/* What the log calls an event out of the ordinary; NULL for others. */
static const char *incident(const pkm_train_event *event)
{
    switch (event->kind) {
    case PKM_EVENT_SPIKE:
        return "spike";
    case PKM_EVENT_SKIP:
        return "skip";
    case PKM_EVENT_REWIND:
        return "rewind";
    default:
        return NULL;
    }
}

static pkm_status format_line(pkm_strbuf *line, const pkm_train_event *event)
{
    PKM_TRY(pkm_strbuf_printf(line, "{\"step\": %lld, \"tokens\": %lld", (long long)event->step,
                              (long long)event->tokens));
    if (incident(event) != NULL) {
        PKM_TRY(pkm_strbuf_printf(line, ", \"event\": \"%s\", \"from_step\": %lld, \"reason\": ",
                                  incident(event), (long long)event->from_step));
        PKM_TRY(format_reason(line, event->path));
    } else if (event->kind == PKM_EVENT_EVAL) {
        PKM_TRY(pkm_strbuf_printf(line, ", \"val_loss\": %.9g, \"val_perplexity\": %.9g",
                                  event->val_loss, exp(event->val_loss)));
        if (event->n_usage > 0) {
            PKM_TRY(pkm_strbuf_printf(line, ", \"memory\": "));
            PKM_TRY(pkm_usage_json(line, event->usage, event->n_usage));
        }
    } else {
        PKM_TRY(pkm_strbuf_printf(line, ", \"loss\": %.9g, \"lr\": %.9g, \"grad_norm\": %.9g",
                                  event->loss, event->lr, event->grad_norm));
        PKM_TRY(pkm_strbuf_printf(line, ", \"tok_per_s\": %.1f", event->tok_per_s));
    }
    return pkm_strbuf_printf(line, ", \"wall\": %.3f, \"rss_mb\": %.1f}\n", event->wall,
                             event->rss_mb);
}

pkm_status pkm_metrics_write(pkm_metrics *metrics, const pkm_train_event *event)
{
    pkm_strbuf line = {0};
    pkm_status status = format_line(&line, event);
    size_t done = 0;

    while (status == PKM_OK && done < line.length) {
        ssize_t put = pkm_io()->write(metrics->fd, line.data + done, line.length - done,
                                      (off_t)metrics->bytes);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot write", metrics->path);
            break;
        }
        done += (size_t)put;
        metrics->bytes += put;
    }
    pkm_strbuf_release(&line);
    return status;
}

pkm_status pkm_metrics_sync(pkm_metrics *metrics)
{
    if (pkm_io()->sync(metrics->fd) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot sync", metrics->path);
    return PKM_OK;
}
