/* SPDX-License-Identifier: Apache-2.0 */
#include "train/metrics.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "base/strbuf.h"
#include "format/json.h"
#include "train/run_folder.h"
#include "train/usage_json.h"

static pkm_status open_file(pkm_metrics *metrics, int64_t *size)
{
    struct stat info;

    metrics->fd =
        pkm_io_open(AT_FDCWD, metrics->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (metrics->fd < 0 || fstat(metrics->fd, &info) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open for writing", metrics->path);
    if (!S_ISREG(info.st_mode))
        return pkm_fail(PKM_ERR_IO, "%s: not a regular file", metrics->path);
    *size = (int64_t)info.st_size;
    return PKM_OK;
}

/* Drops what is behind the last whole line. */
static pkm_status mend(pkm_metrics *metrics)
{
    if (metrics->torn && pkm_io()->truncate(metrics->fd, (off_t)metrics->bytes) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot cut to %lld bytes", metrics->path,
                              (long long)metrics->bytes);
    metrics->torn = false;
    return PKM_OK;
}

pkm_status pkm_metrics_open(pkm_metrics *out, const char *dir, int64_t bytes, int64_t *missing)
{
    pkm_metrics metrics = {.fd = -1, .torn = true};
    int64_t size = 0;
    pkm_status status;

    PKM_TRY(pkm_path_join(&metrics.path, dir, PKM_METRICS_NAME));
    status = open_file(&metrics, &size);
    /* A shorter file than the checkpoint knows of lost lines: what comes now begins a new one. */
    metrics.bytes = pkm_min_i64(size, bytes);
    *missing = bytes - metrics.bytes;
    if (status == PKM_OK)
        status = mend(&metrics);
    if (status == PKM_OK && *missing > 0 && metrics.bytes > 0) {
        status = pkm_file_write_at(metrics.fd, "\n", 1, (uint64_t)metrics.bytes, metrics.path);
        metrics.bytes++;
    }
    if (status == PKM_OK)
        status = pkm_parent_sync(metrics.path);
    if (status != PKM_OK) {
        pkm_metrics_close(&metrics);
        return status;
    }
    *out = metrics;
    return PKM_OK;
}

pkm_status pkm_metrics_cut(pkm_metrics *metrics, int64_t bytes)
{
    metrics->bytes = pkm_min_i64(metrics->bytes, bytes);
    metrics->torn = true;
    return mend(metrics);
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

static pkm_status format_revived(pkm_strbuf *line, const pkm_train_event *event)
{
    PKM_TRY(pkm_strbuf_printf(line, ", \"revived\": ["));
    for (int i = 0; i < event->n_revived; i++) {
        const pkm_revived *revived = &event->revived[i];

        PKM_TRY(pkm_strbuf_printf(line, "%s{\"layer\": %d, \"keys\": %lld, \"slots\": %lld}",
                                  i > 0 ? ", " : "", revived->layer, (long long)revived->keys,
                                  (long long)revived->slots));
    }
    return pkm_strbuf_printf(line, "]");
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
    } else if (event->kind == PKM_EVENT_REVIVED) {
        PKM_TRY(format_revived(line, event));
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

    if (status == PKM_OK)
        status = mend(metrics);
    if (status == PKM_OK) {
        status = pkm_file_write_at(metrics->fd, line.data, line.length, (uint64_t)metrics->bytes,
                                   metrics->path);
        metrics->torn = status != PKM_OK;
    }
    if (status == PKM_OK) {
        metrics->bytes += (int64_t)line.length;
    } else {
        pkm_error_copy first;

        pkm_error_keep(&first);
        (void)mend(metrics);
        pkm_error_restore(&first);
    }
    pkm_strbuf_release(&line);
    return status;
}

/* The content so far in a new file of the same name. */
static pkm_status renew(pkm_metrics *metrics)
{
    char *text;
    size_t bytes;
    int64_t size;
    pkm_status status;

    PKM_TRY(pkm_file_read(&text, &bytes, metrics->path, PTRDIFF_MAX));
    if ((int64_t)bytes < metrics->bytes)
        status = pkm_fail(PKM_ERR_IO, "%s: %zu bytes, expected %lld", metrics->path, bytes,
                          (long long)metrics->bytes);
    else
        status = pkm_file_write(metrics->path, text, (size_t)metrics->bytes);
    pkm_free(text);
    PKM_TRY(status);
    pkm_io()->close(metrics->fd);
    return open_file(metrics, &size);
}

pkm_status pkm_metrics_sync(pkm_metrics *metrics)
{
    /* After an error the kernel may have dropped what it could not write, and would report success
     * if asked again. */
    if (metrics->unsyncable) {
        PKM_TRY(renew(metrics));
        metrics->unsyncable = false;
        return PKM_OK;
    }
    if (pkm_io()->sync(metrics->fd) == 0)
        return PKM_OK;
    metrics->unsyncable = true;
    return pkm_fail_errno(PKM_ERR_IO, "%s: cannot sync", metrics->path);
}
