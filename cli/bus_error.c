/* SPDX-License-Identifier: Apache-2.0 */
#include "bus_error.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

static void say(const char *text)
{
    /* Nothing can be done about a failure, and the exit code tells the rest. */
    (void)!write(STDERR_FILENO, text, strlen(text));
}

/* Calls only what a signal handler may call. */
static void name_the_file(int number, siginfo_t *info, void *context)
{
    const char *path = pkm_mapped_file(info->si_addr);

    (void)context;
    if (path == NULL) { /* not ours: the access is repeated and ends the process as usual */
        (void)signal(number, SIG_DFL);
        return;
    }
    say("pkm: ");
    say(path);
    say(": was shortened, or its disk failed, while it was being read; "
        "restore it (--no-mmap, where there is one, reads the whole file at the start)\n");
    _exit(CMD_FAILED);
}

void bus_error_catch(void)
{
    struct sigaction action = {.sa_sigaction = name_the_file, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}
