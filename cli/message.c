/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of failure and the exit codes that go with them. */
#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"
#include "stop.h"

static void complain(const cmd_input *input, const char *format, va_list args)
{
    fprintf(stderr, "pkm %s: ", input->cmd->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cmd_fail(const cmd_input *input, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(input, format, args);
    va_end(args);
    return CMD_FAILED;
}

int cmd_usage(const cmd_input *input, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(input, format, args);
    va_end(args);
    fprintf(stderr, "try 'pkm %s --help'\n", input->cmd->name);
    return CMD_USAGE;
}

int cmd_status(const cmd_input *input, pkm_status status)
{
    if (status == PKM_ERR_CANCELLED && stop_signal() != 0)
        return 128 + stop_signal();
    if (status == PKM_ERR_ARG)
        return cmd_usage(input, "%s", pkm_last_error());
    return cmd_fail(input, "%s", pkm_last_error());
}
