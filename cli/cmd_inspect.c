/* SPDX-License-Identifier: Apache-2.0 */
/* pkm inspect: parameters, tensors and memories of a model, from its headers; with --text what a
 * text reads in the memories. */
#include "cmd.h"
#include "inspect_view.h"
#include "model_file.h"
#include "output_file.h"
#include "progress.h"
#include "report.h"
#include "stop.h"

typedef struct inspect_options {
    const char *text, *html;
    pkm_int_list layer;
    int64_t max_tokens, top, contexts;
    model_choice loading;
    bool json;
} inspect_options;

static const pkm_option rows[] = {
    {.name = "text",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(inspect_options, text),
     .min = 1,
     .preset = "",
     .unit = "FILE",
     .help = "text whose reads are looked at"},
    MODEL_ROWS(offsetof(inspect_options, loading)),
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(inspect_options, json),
     .help = "print as JSON"},
    {.name = "html",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(inspect_options, html),
     .min = 1,
     .preset = "",
     .unit = "FILE",
     .group = "With --text",
     .help = "write a page to explore them in a browser"},
    {.name = "layer",
     .type = PKM_OPTION_LIST,
     .offset = offsetof(inspect_options, layer),
     .max = 4095,
     .group = "With --text",
     .help = "blocks whose memories are looked at; none: all that have one"},
    {.name = "max_tokens",
     .type = PKM_OPTION_INT,
     .offset = offsetof(inspect_options, max_tokens),
     .max = 1e9,
     .preset = "4000",
     .unit = "tokens",
     .group = "With --text",
     .help = "how much is read of the text; 0: all"},
    {.name = "top",
     .type = PKM_OPTION_INT,
     .offset = offsetof(inspect_options, top),
     .min = 1,
     .max = 65536,
     .preset = "16",
     .unit = "slots",
     .group = "With --text",
     .help = "told of each token, the heaviest first"},
    {.name = "contexts",
     .type = PKM_OPTION_INT,
     .offset = offsetof(inspect_options, contexts),
     .min = 1,
     .max = 65536,
     .preset = "6",
     .unit = "tokens",
     .group = "With --text",
     .help = "told of each slot, those that read it most"},
};

const pkm_option_table cmd_inspect_options = CMD_OPTIONS(rows, inspect_options);

/* Headers alone have nothing to choose from: what would be ignored without a word. */
static bool check_options(const cmd_input *input)
{
    const inspect_options *options = input->options;

    if (options->text[0] != '\0' && options->html[0] != '\0' && options->json)
        return cmd_usage(input, "give either --html or --json") == CMD_DONE;
    for (int i = 0; i < cmd_inspect_options.count && options->text[0] == '\0'; i++) {
        const pkm_option *row = &rows[i];
        char flag[64];

        if (row->offset == offsetof(inspect_options, json) ||
            pkm_options_origin(input->own, row->name) != PKM_ORIGIN_ARGS)
            continue;
        pkm_option_flag(flag, sizeof flag, row);
        (void)cmd_usage(input, "%s does nothing without --text FILE: give both or neither", flag);
        return false;
    }
    return true;
}

static int inspect_headers(const cmd_input *input)
{
    const inspect_options *options = input->options;
    char *text;
    pkm_status status = pkm_model_inspect(input->args[0], &text);

    if (status != PKM_OK)
        return cmd_status(input, status);
    report_print(text, options->json);
    pkm_text_free(text);
    return CMD_DONE;
}

/* *out: the report on the text. */
static pkm_status look(const cmd_input *input, char **out)
{
    const inspect_options *options = input->options;
    const pkm_inspect_text_config config = {options->max_tokens, options->top, options->contexts,
                                            options->layer};
    progress bar = {.title = "inspect"};
    pkm_model *model;
    pkm_status status = model_open(&model, input->args[0], &options->loading);

    if (status != PKM_OK)
        return status;
    status = pkm_model_inspect_text(model, out, options->text, &config, progress_phase, &bar);
    progress_end(&bar);
    pkm_model_destroy(model);
    return status;
}

/* The page is opened first: where it cannot be, that is told before the work. */
static int write_page(const cmd_input *input)
{
    const inspect_options *options = input->options;
    output_file file;
    pkm_status status;
    char *text;
    int code;

    if (!output_file_open(input, &file, options->html))
        return CMD_FAILED;
    status = look(input, &text);
    if (status != PKM_OK) {
        output_file_drop(&file);
        return cmd_status(input, status);
    }
    inspect_view_page(file.file, text);
    pkm_text_free(text);
    code = output_file_keep(input, &file);
    if (code == CMD_DONE)
        printf("%s: to open in a browser\n", options->html);
    return code;
}

static int inspect_text(const cmd_input *input)
{
    const inspect_options *options = input->options;
    int code = CMD_DONE;
    char *text;
    pkm_status status;

    if (options->html[0] != '\0')
        return write_page(input);
    status = look(input, &text);
    if (status != PKM_OK)
        return cmd_status(input, status);
    if (options->json)
        puts(text);
    else
        code = inspect_view_print(input, text);
    pkm_text_free(text);
    return code;
}

int cmd_inspect(const cmd_input *input)
{
    const inspect_options *options = input->options;

    if (!check_options(input))
        return CMD_USAGE;
    if (options->text[0] == '\0')
        return inspect_headers(input);
    stop_catch();
    return inspect_text(input);
}
