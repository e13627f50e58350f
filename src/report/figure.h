/* SPDX-License-Identifier: Apache-2.0 */
/* The panels that show runs: losses, and how their memories are read. */
#ifndef PKM_REPORT_FIGURE_H
#define PKM_REPORT_FIGURE_H

#include "report/panel.h"
#include "report/run_log.h"

enum { PKM_PANELS = 6 };

typedef struct pkm_figure {
    pkm_panel panels[PKM_PANELS]; /* [n_panels], none of them empty */
    int n_panels;
    int n_memories; /* most of a run */
} pkm_figure;

/* Over tokens, or steps. PKM_ERR_ARG if no run has logged anything. */
pkm_status pkm_figure_create(pkm_figure *out, const pkm_run_log *logs, int n_logs, bool tokens);
void pkm_figure_release(pkm_figure *figure);

/* How run `run` is drawn, or a memory of it after the first: colours that colour-blind people tell
 * apart (Okabe and Ito 2008), then dashes. Further memories are paler, or a dash could be either.
 */
pkm_pen pkm_figure_pen(int run, int memory);
extern const char pkm_figure_further[]; /* tells so the reader */

#endif
