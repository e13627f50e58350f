/* SPDX-License-Identifier: Apache-2.0 */
/* A panel: two axes, a title and curves. */
#ifndef PKM_REPORT_PANEL_H
#define PKM_REPORT_PANEL_H

#include "report/axis.h"
#include "report/canvas.h"

typedef struct pkm_curve {
    double (*points)[2]; /* [n][x, y] */
    int64_t n;           /* at most PKM_SERIES_POINTS + 1 */
    int run;             /* which it is of */
    pkm_pen pen;
    bool dots; /* at the points */
} pkm_curve;

typedef struct pkm_panel {
    const char *title;
    pkm_axis x, y;
    pkm_curve *curves; /* [n_curves] */
    int n_curves;
} pkm_panel;

typedef struct pkm_frame {
    double x, y, width, height;
} pkm_frame;

/* Appends a curve of room for n points, all zero; *points is where they go. */
pkm_status pkm_panel_add(pkm_panel *panel, double (**points)[2], int64_t n, int run, pkm_pen pen,
                         bool dots);
void pkm_panel_release(pkm_panel *panel);

void pkm_panel_draw(const pkm_panel *panel, pkm_canvas *canvas, pkm_frame frame);

#endif
