/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress on stderr. On a terminal one line is redrawn, at most five times a second; elsewhere
 * (a pipe, TERM=dumb, NO_COLOR not empty) whole lines come every ten seconds.
 */
#ifndef PKM_CLI_PROGRESS_H
#define PKM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    const char *title; /* stands before each line; NULL: nothing */
    uint64_t shown_ns; /* when a line was last shown */
    char phase[64];    /* of the last line */
    bool open;         /* a line on the terminal waits to be redrawn or ended */
} progress;

/* True when it is time for another line. */
bool progress_due(const progress *bar);

/* Shows text: redraws the line on a terminal, prints a line elsewhere. */
void progress_show(progress *bar, const char *text);

/* Prints a line that stays, above the redrawn one. */
void progress_note(progress *bar, const char *text);

/* Ends the redrawn line: what follows starts on a fresh one. */
void progress_end(progress *bar);

/* A pkm_progress with a progress as user; cancels once a signal asked to stop. */
int progress_phase(const char *phase, uint64_t done, uint64_t total, void *user);

/* "1h02m", "3m20s", "12s". */
void progress_duration(char out[16], double seconds);

#endif
