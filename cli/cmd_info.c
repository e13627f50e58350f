/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"
#include "report.h"

typedef struct info_options {
    bool json;
} info_options;

static const pkm_option rows[] = {
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(info_options, json),
     .help = "print as JSON"},
};

const pkm_option_table cmd_info_options = CMD_OPTIONS(rows, info_options);

int cmd_info(const cmd_input *input)
{
    const info_options *options = input->options;
    char *text;
    pkm_status status = pkm_info_json(&text);

    if (status != PKM_OK)
        return cmd_status(input, status);
    report_print(text, options->json);
    pkm_text_free(text);
    return CMD_DONE;
}
