/* SPDX-License-Identifier: Apache-2.0 */
/* pkm report: table, curves and settings of all runs below a folder as one HTML page. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"

typedef struct report_options {
    const char *out;
    int over; /* steps|tokens */
} report_options;

static const pkm_option rows[] = {
    {.name = "out",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(report_options, out),
     .min = 1,
     .preset = "",
     .unit = "FILE",
     .help = "where the page goes; default: DIR/report.html; -o FILE is short for it"},
    {.name = "over",
     .type = PKM_OPTION_CHOICE,
     .offset = offsetof(report_options, over),
     .preset = "steps",
     .choices = "steps|tokens",
     .help = "what the curves run over"},
};

const pkm_option_table cmd_report_options = CMD_OPTIONS(rows, report_options);

/* Tells where the page went. */
static int write_page(const cmd_input *input, const char *path)
{
    const report_options *options = input->options;
    pkm_status status = pkm_report(path, input->args[0], options->over == 1);

    if (status != PKM_OK)
        return cmd_status(input, status);
    puts(path);
    return CMD_DONE;
}

int cmd_report(const cmd_input *input)
{
    const report_options *options = input->options;
    char *path;
    int code;

    if (options->out[0] != '\0')
        return write_page(input, options->out);
    if (asprintf(&path, "%s/report.html", input->args[0]) < 0)
        return cmd_no_memory(input);
    code = write_page(input, path);
    free(path);
    return code;
}
