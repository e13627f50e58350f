/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "stop.h"

static bool on_terminal(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    return isatty(STDERR_FILENO) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

static int columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool progress_due(const progress *bar)
{
    const uint64_t redraw_ns = 200000000, line_ns = 10000000000u;

    return bar->shown_ns == 0 || now_ns() - bar->shown_ns >= (on_terminal() ? redraw_ns : line_ns);
}

void progress_show(progress *bar, const char *text)
{
    char line[512];

    snprintf(line, sizeof line, "%s%s%s", bar->title != NULL ? bar->title : "",
             bar->title != NULL ? ": " : "", text);
    bar->shown_ns = now_ns();
    bar->open = on_terminal();
    if (bar->open)
        fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
    else
        fprintf(stderr, "%s\n", line);
    (void)fflush(stderr);
}

void progress_note(progress *bar, const char *text)
{
    if (bar->open)
        fprintf(stderr, "\r\033[K");
    bar->open = false;
    fprintf(stderr, "%s%s%s\n", bar->title != NULL ? bar->title : "",
            bar->title != NULL ? ": " : "", text);
}

void progress_end(progress *bar)
{
    if (bar->open)
        fputc('\n', stderr);
    bar->open = false;
}

int progress_phase(const char *phase, uint64_t done, uint64_t total, void *user)
{
    progress *bar = user;
    char text[128];

    if (strcmp(bar->phase, phase) != 0) {
        snprintf(bar->phase, sizeof bar->phase, "%s", phase);
        /* Elsewhere what takes but a moment needs no line. */
        if (on_terminal())
            bar->shown_ns = 0;
        else if (bar->shown_ns == 0)
            bar->shown_ns = now_ns();
    }
    if (progress_due(bar)) {
        if (total > 0)
            snprintf(text, sizeof text, "%s %3.0f %%", phase, 100.0 * (double)done / (double)total);
        else
            snprintf(text, sizeof text, "%s", phase);
        progress_show(bar, text);
    }
    return stop_signal();
}

void progress_duration(char out[16], double seconds)
{
    long long s = (long long)(seconds + 0.5);

    if (s >= 3600)
        snprintf(out, 16, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 16, "%lldm%02llds", s / 60, s % 60);
    else
        snprintf(out, 16, "%llds", s);
}
