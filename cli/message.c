/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of failure and the exit codes that go with them. */
#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"
#include "stop.h"

enum { SENTENCE_BYTES = 4096 };

const cmd_exit_code cmd_exit_codes[] = {
    {"0", "done"},
    {"1", "failed: the message names the file, folder or device in the way"},
    {"2", "wrong usage: options or inputs that cannot be meant; nothing was done"},
    {"3", "no room: it needs more memory or disk than there is"},
    {"4", "diverged: training or scoring met a NaN or an infinity"},
    {"130", "stopped by SIGINT (Ctrl-C)"},
    {"143", "stopped by SIGTERM"},
    {NULL, NULL},
};

/* Names from the command line and from files may hold anything: control characters are not passed
 * on, so that a message stays one line and cannot steer the terminal. */
static void complain(const cmd_input *input, char *sentence, const char *end)
{
    for (char *c = sentence; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "pkm%s%s: %s%s", input != NULL ? " " : "",
            input != NULL ? input->cmd->name : "", sentence, end);
}

int cmd_fail(const cmd_input *input, const char *format, ...)
{
    char sentence[SENTENCE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    complain(input, sentence, "\n");
    return CMD_FAILED;
}

int cmd_usage(const cmd_input *input, const char *format, ...)
{
    char sentence[SENTENCE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    complain(input, sentence, "");
    fprintf(stderr, " (see 'pkm %s --help')\n", input->cmd->name);
    return CMD_USAGE;
}

int cmd_no_memory(const cmd_input *input)
{
    (void)cmd_fail(input, "out of memory");
    return CMD_NO_ROOM;
}

int cmd_status(const cmd_input *input, pkm_status status)
{
    (void)cmd_fail(input, "%s", pkm_last_error());
    switch (status) {
    case PKM_ERR_CANCELLED:
        return stop_signal() != 0 ? 128 + stop_signal() : CMD_FAILED;
    case PKM_ERR_ARG:
        return CMD_USAGE;
    case PKM_ERR_NOMEM:
        return CMD_NO_ROOM;
    case PKM_ERR_NUMERIC:
        return CMD_DIVERGED;
    default:
        return CMD_FAILED;
    }
}
