/* SPDX-License-Identifier: Apache-2.0 */
#include "train_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stop.h"

static void show_plan(train_view *view, const pkm_train_event *event)
{
    char text[256];

    view->parameters = event->parameters;
    snprintf(text, sizeof text,
             "%" PRId64 " parameters; steps %" PRId64 " to %" PRId64
             "; %.2f GiB of memory, %.2f GiB of disk; threads: %d (%s)",
             event->parameters, event->step, event->steps, (double)event->memory_bytes / 0x1p30,
             (double)event->disk_bytes / 0x1p30, event->threads, event->runtime);
    progress_note(&view->bar, text);
}

static void show_step(train_view *view, const pkm_train_event *event)
{
    char text[256], val[32] = "", left[16];

    if (view->first_tokens == 0) {
        view->first_wall = event->wall;
        view->first_tokens = event->tokens;
    }
    view->last_wall = event->wall;
    view->last_tokens = event->tokens;
    if (!progress_due(&view->bar) && event->step < event->steps)
        return;
    if (view->val_loss > 0)
        snprintf(val, sizeof val, "  val %.4f", view->val_loss);
    progress_duration(left, event->seconds_left);
    snprintf(text, sizeof text,
             "%" PRId64 "/%" PRId64 " %3.0f %%  loss %.4f  smoothed %.4f%s  %.0f tok/s  %s left  "
             "%.0f MB",
             event->step, event->steps, 100.0 * (double)event->step / (double)event->steps,
             event->loss, event->smoothed_loss, val, event->tok_per_s, left, event->rss_mb);
    progress_show(&view->bar, text);
}

static void show_evaluation(train_view *view, const pkm_train_event *event)
{
    char text[256];

    view->val_loss = event->val_loss;
    snprintf(text, sizeof text, "step %" PRId64 ": held-out loss %.4f, perplexity %.2f",
             event->step, event->val_loss, exp(event->val_loss));
    for (int i = 0; i < event->n_usage; i++) {
        const pkm_usage *usage = &event->usage[i];
        size_t used = strlen(text);

        if (usage->head < 0)
            snprintf(text + used, sizeof text - used, "; memory %d: %.1f %% used, KL %.3f",
                     usage->layer, 100 * usage->used, usage->kl);
    }
    if (!view->brief)
        progress_note(&view->bar, text);
}

/* One line, of the memories in which anything was revived. */
static void show_revived(train_view *view, const pkm_train_event *event)
{
    char text[512];
    size_t used;

    snprintf(text, sizeof text, "step %" PRId64 ": revived", event->step);
    used = strlen(text);
    for (int i = 0; i < event->n_revived; i++) {
        const pkm_revived *revived = &event->revived[i];
        size_t length = strlen(text);

        if (revived->keys > 0 || revived->slots > 0)
            snprintf(text + length, sizeof text - length,
                     "%s in memory %d %" PRId64 " sub-keys, %" PRId64 " slots",
                     length > used ? ";" : "", revived->layer, revived->keys, revived->slots);
    }
    if (text[used] != '\0')
        progress_note(&view->bar, text);
}

int train_view_show(const pkm_train_event *event, void *user)
{
    train_view *view = user;
    char text[512];

    switch (event->kind) {
    case PKM_EVENT_PLAN:
        show_plan(view, event);
        break;
    case PKM_EVENT_STEP:
        show_step(view, event);
        break;
    case PKM_EVENT_EVAL:
        show_evaluation(view, event);
        break;
    case PKM_EVENT_CHECKPOINT:
        snprintf(text, sizeof text, "saved %s", event->path);
        if (!view->brief)
            progress_note(&view->bar, text);
        break;
    case PKM_EVENT_WARNING:
    case PKM_EVENT_SPIKE:
        snprintf(text, sizeof text, "warning: %s", event->path);
        progress_note(&view->bar, text);
        break;
    case PKM_EVENT_SKIP:
        snprintf(text, sizeof text, "passed over: %s", event->path);
        progress_note(&view->bar, text);
        break;
    case PKM_EVENT_REWIND:
        snprintf(text, sizeof text, "back at step %" PRId64 ", on with other data: %s", event->step,
                 event->path);
        progress_note(&view->bar, text);
        break;
    case PKM_EVENT_REVIVED:
        show_revived(view, event);
        break;
    }
    return stop_signal();
}

double train_view_rate(const train_view *view)
{
    double seconds = view->last_wall - view->first_wall;

    return seconds > 0 ? (double)(view->last_tokens - view->first_tokens) / seconds : 0;
}
