/* SPDX-License-Identifier: Apache-2.0 */
#include "train/event_log.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/io.h"
#include "format/event_file.h"

static const char folder_name[] = "tensorboard";
static const char stem[] = "events.out.tfevents."; /* what TensorBoard tells event files by */

/* Takes away our files in the folder whose names are `first` or sort behind it. */
static pkm_status remove_from(const char *folder, const char *first)
{
    pkm_names names;
    char *path;
    pkm_status status;

    PKM_TRY(pkm_directory_list(&names, folder));
    status = PKM_OK;
    for (size_t i = 0; i < names.count && status == PKM_OK; i++) {
        const char *name = names.name[i];

        if (strncmp(name, stem, sizeof stem - 1) != 0 || strlen(name) != strlen(first) ||
            strcmp(name, first) < 0)
            continue;
        status = pkm_path_join(&path, folder, name);
        if (status != PKM_OK)
            break;
        if (pkm_io()->remove(AT_FDCWD, path, 0) != 0)
            status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot remove", path);
        pkm_free(path);
    }
    pkm_names_release(&names);
    return status;
}

static pkm_status append(pkm_event_log *log)
{
    PKM_TRY(pkm_file_write_at(log->fd, log->record.data, log->record.length, (uint64_t)log->bytes,
                              log->path));
    log->bytes += (int64_t)log->record.length;
    return PKM_OK;
}

static pkm_status begin(pkm_event_log *log, const char *folder, int64_t step)
{
    char name[sizeof stem + 24];

    snprintf(name, sizeof name, "%s%010lld.pkm", stem, (long long)step);
    PKM_TRY(pkm_directory_create(folder));
    if (!pkm_directory_is_own(folder))
        return pkm_fail(PKM_ERR_STATE, "%s: is a link, and events are only written inside the run",
                        folder);
    PKM_TRY(remove_from(folder, name));
    PKM_TRY(pkm_path_join(&log->path, folder, name));
    log->fd = pkm_io_open(AT_FDCWD, log->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (log->fd < 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot create", log->path);
    PKM_TRY(pkm_event_version(&log->record, pkm_clock_wall()));
    PKM_TRY(pkm_event_restart(&log->record, pkm_clock_wall(), step + 1));
    return append(log);
}

pkm_status pkm_event_log_open(pkm_event_log *out, const char *run, int64_t step)
{
    pkm_event_log log = {.fd = -1};
    char *folder;
    pkm_status status;

    PKM_TRY(pkm_path_join(&folder, run, folder_name));
    status = begin(&log, folder, step);
    pkm_free(folder);
    if (status != PKM_OK) {
        pkm_event_log_close(&log);
        return status;
    }
    *out = log;
    return PKM_OK;
}

void pkm_event_log_close(pkm_event_log *log)
{
    if (log->path != NULL && log->fd >= 0)
        pkm_io()->close(log->fd);
    pkm_free(log->path);
    pkm_strbuf_release(&log->record);
    *log = (pkm_event_log){.fd = -1};
}

static pkm_status format_step(pkm_strbuf *out, const pkm_train_event *event)
{
    const pkm_event_scalar scalars[] = {
        {"train/loss", event->loss},
        {"train/lr", event->lr},
        {"train/grad_norm", event->grad_norm},
        {"train/tok_per_s", event->tok_per_s},
    };

    return pkm_event_scalars(out, pkm_clock_wall(), event->step, scalars,
                             sizeof scalars / sizeof scalars[0]);
}

/* A memory's figures are a record of their own. */
static pkm_status format_evaluation(pkm_strbuf *out, const pkm_train_event *event)
{
    const pkm_event_scalar held_out[] = {
        {"val/loss", event->val_loss},
        {"val/perplexity", exp(event->val_loss)},
    };

    PKM_TRY(pkm_event_scalars(out, pkm_clock_wall(), event->step, held_out, 2));
    for (int i = 0; i < event->n_usage; i++) {
        const pkm_usage *usage = &event->usage[i];
        enum { USED, KL, TOP1, N };
        static const char *const figures[N] = {"used", "kl", "top1_used"};
        char tags[N][40];

        if (usage->head >= 0)
            continue;
        for (int k = 0; k < N; k++)
            snprintf(tags[k], sizeof tags[k], "memory.%d/%s", usage->layer, figures[k]);
        PKM_TRY(pkm_event_scalars(out, pkm_clock_wall(), event->step,
                                  (pkm_event_scalar[N]){[USED] = {tags[USED], usage->used},
                                                        [KL] = {tags[KL], usage->kl},
                                                        [TOP1] = {tags[TOP1], usage->top1_used}},
                                  N));
    }
    return PKM_OK;
}

pkm_status pkm_event_log_write(pkm_event_log *log, const pkm_train_event *event)
{
    if (log->fd < 0)
        return PKM_OK;
    pkm_strbuf_clear(&log->record);
    if (event->kind == PKM_EVENT_STEP)
        PKM_TRY(format_step(&log->record, event));
    else if (event->kind == PKM_EVENT_EVAL)
        PKM_TRY(format_evaluation(&log->record, event));
    else if (event->kind == PKM_EVENT_REWIND)
        PKM_TRY(pkm_event_restart(&log->record, pkm_clock_wall(), event->step + 1));
    else
        return PKM_OK;
    return append(log);
}
