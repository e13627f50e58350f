/* SPDX-License-Identifier: Apache-2.0 */
#include "stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught;

static void remember(int number)
{
    if (caught != 0) {
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
    caught = number;
}

void stop_catch(void)
{
    struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    /* A reader that goes away must not end what is being made: writing then fails, no more. */
    (void)signal(SIGPIPE, SIG_IGN);
}

int stop_signal(void)
{
    return caught;
}
