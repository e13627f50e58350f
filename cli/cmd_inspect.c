/* SPDX-License-Identifier: Apache-2.0 */
/* pkm inspect: parameters, tensors and memories of a model, from its headers. */
#include "cmd.h"
#include "report.h"

typedef struct inspect_options {
    bool json;
} inspect_options;

static const pkm_option rows[] = {
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(inspect_options, json),
     .help = "print as JSON"},
};

const pkm_option_table cmd_inspect_options = CMD_OPTIONS(rows, inspect_options);

int cmd_inspect(const cmd_input *input)
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
