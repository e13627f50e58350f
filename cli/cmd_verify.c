/* SPDX-License-Identifier: Apache-2.0 */
/* pkm verify: whether runs, checkpoints, models, data sets and tokenizers are whole. */
#include <stdio.h>

#include "cmd.h"
#include "report.h"

typedef struct verify_options {
    bool json;
} verify_options;

static const pkm_option rows[] = {
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(verify_options, json),
     .help = "print as JSON"},
};

const pkm_option_table cmd_verify_options = CMD_OPTIONS(rows, verify_options);

typedef struct verify_view {
    json_t *parts;    /* NULL: lines of text */
    bool unprintable; /* a part is no JSON */
    int count, damaged;
} verify_view;

static void show(const pkm_verify_part *part, void *user)
{
    verify_view *view = user;
    const char *name = pkm_status_name(part->status);

    view->count++;
    view->damaged += part->status != PKM_OK;
    if (view->parts != NULL)
        view->unprintable |=
            json_array_append_new(view->parts, json_pack("{s:s, s:s, s:s, s:s}", "kind", part->kind,
                                                         "path", part->path, "status", name,
                                                         "message", part->message)) != 0;
    else if (part->status == PKM_OK)
        printf("whole    %-10s  %s\n", part->kind, part->path);
    else
        printf("%-7s  %-10s  %s\n", part->status == PKM_ERR_NOMEM ? "UNREAD" : "DAMAGED",
               part->kind, part->message);
}

/* A path that cannot be looked at at all is a part of its own. */
static void verify_path(verify_view *view, const char *path)
{
    int before = view->count;
    pkm_status status = pkm_verify(path, show, view);
    pkm_verify_part part = {"path", path, status, pkm_last_error()};

    if (status != PKM_OK && view->count == before)
        show(&part, view);
}

int cmd_verify(const cmd_input *input)
{
    const verify_options *options = input->options;
    verify_view view = {.parts = options->json ? json_array() : NULL};
    int code = CMD_DONE;

    for (int i = 0; i < input->n_args; i++)
        verify_path(&view, input->args[i]);
    if (options->json) {
        json_t *parts = json_pack("{s:b, s:o}", "whole", view.damaged == 0, "parts", view.parts);

        if (view.unprintable) {
            json_decref(parts);
            parts = NULL;
        }
        code = report_object(input, parts);
    }
    if (code == CMD_DONE && view.damaged > 0)
        code = cmd_fail(input, "%d of %d parts: damaged", view.damaged, view.count);
    return code;
}
