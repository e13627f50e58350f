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
#include "train/usage_json.h"

pkm_status pkm_metrics_open(pkm_metrics *out, const char *dir, int64_t bytes)
{
    pkm_metrics metrics = {.fd = -1, .bytes = bytes};

    PKM_TRY(pkm_path_join(&metrics.path, dir, "metrics.jsonl"));
    metrics.fd =
        pkm_io()->open(AT_FDCWD, metrics.path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (metrics.fd < 0 || pkm_io()->truncate(metrics.fd, (off_t)bytes) != 0) {
        pkm_fail_errno(PKM_ERR_IO, "%s: cannot open for writing", metrics.path);
        pkm_metrics_close(&metrics);
        return PKM_ERR_IO;
    }
    *out = metrics;
    return PKM_OK;
}

void pkm_metrics_close(pkm_metrics *metrics)
{
    if (metrics->path != NULL && metrics->fd >= 0)
        pkm_io()->close(metrics->fd);
    pkm_free(metrics->path);
    *metrics = (pkm_metrics){.fd = -1};
}

static pkm_status format_line(pkm_strbuf *line, const pkm_train_event *event)
{
    PKM_TRY(pkm_strbuf_printf(line, "{\"step\": %lld, \"tokens\": %lld", (long long)event->step,
                              (long long)event->tokens));
    if (event->kind == PKM_EVENT_EVAL) {
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
