/* SPDX-License-Identifier: Apache-2.0 */
/* pkm plot: curves of one or more runs as a picture. */
#include <stdio.h>

#include "cmd.h"

typedef struct plot_options {
    const char *out;
    int over; /* steps|tokens */
} plot_options;

static const pkm_option rows[] = {
    {.name = "out",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(plot_options, out),
     .min = 1,
     .unit = "FILE",
     .help =
         "where the picture goes: a name that ends in .svg, or in .png, which needs cairo to be "
         "installed; -o FILE is short for it"},
    {.name = "over",
     .type = PKM_OPTION_CHOICE,
     .offset = offsetof(plot_options, over),
     .preset = "steps",
     .choices = "steps|tokens",
     .help = "what the curves run over"},
};

const pkm_option_table cmd_plot_options = CMD_OPTIONS(rows, plot_options);

int cmd_plot(const cmd_input *input)
{
    const plot_options *options = input->options;
    pkm_status status = pkm_plot(options->out, input->args, input->n_args, options->over == 1);

    if (status != PKM_OK)
        return cmd_status(input, status);
    puts(options->out);
    return CMD_DONE;
}
