/* SPDX-License-Identifier: Apache-2.0 */
/* pkm_plot: the panels of a figure two by two, under a legend. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "pkm/report.h"
#include "report/figure.h"

enum { WIDTH = 800, MARGIN = 12, PANEL_HEIGHT = 250, ROW = 18 };

/* Rows and columns of names. */
typedef struct legend {
    int columns, rows;
} legend;

/* As many columns as the longest name leaves room for. */
static legend plan_legend(const pkm_run_log *logs, int n_logs)
{
    const size_t letter = 7, swatch = 42; /* a wide letter; line and gaps */
    size_t longest = 1;
    legend out;

    for (int i = 0; i < n_logs; i++)
        if (strlen(logs[i].name) > longest)
            longest = strlen(logs[i].name);
    out.columns =
        longest < WIDTH / letter ? (int)((WIDTH - 2 * MARGIN) / (letter * longest + swatch)) : 1;
    if (out.columns < 1)
        out.columns = 1;
    if (out.columns > n_logs)
        out.columns = n_logs;
    out.rows = (n_logs + out.columns - 1) / out.columns;
    return out;
}

static void draw_legend(pkm_canvas *canvas, const legend *plan, const pkm_run_log *logs, int n_logs)
{
    double width = (double)(WIDTH - 2 * MARGIN) / plan->columns;

    for (int i = 0; i < n_logs; i++) {
        double x = MARGIN + width * (i % plan->columns);
        int row = i / plan->columns;
        double y = MARGIN + ROW * (row + 0.5);
        pkm_pen pen = pkm_figure_pen(i, 0);

        pen.width = 2.5;
        pkm_canvas_line(canvas, pen, (const double[][2]){{x, y}, {x + 24, y}}, 2);
        pkm_canvas_clip(canvas, x, y - ROW, width - 6, 2.0 * ROW);
        pkm_canvas_text(canvas, x + 31, y + 4, logs[i].name,
                        (pkm_lettering){.size = 12, .alpha = 1});
        pkm_canvas_unclip(canvas);
    }
}

static pkm_status draw(pkm_strbuf *out, const pkm_figure *figure, const pkm_run_log *logs,
                       int n_logs, pkm_canvas_format format)
{
    const double panel_width = (WIDTH - 2.0 * MARGIN) / 2;
    legend plan = plan_legend(logs, n_logs);
    bool several = figure->n_memories > 1;
    int top = 2 * MARGIN + ROW * (plan.rows + several);
    pkm_canvas *canvas;
    pkm_status status;

    PKM_TRY(pkm_canvas_create(&canvas, format, WIDTH,
                              top + PANEL_HEIGHT * ((figure->n_panels + 1) / 2) + MARGIN));
    pkm_canvas_fill(canvas, 0xffffff);
    draw_legend(canvas, &plan, logs, n_logs);
    if (several)
        pkm_canvas_text(canvas, MARGIN, MARGIN + ROW * plan.rows + 13, pkm_figure_further,
                        (pkm_lettering){.size = 11, .alpha = 0.75});
    for (int i = 0; i < figure->n_panels; i++) {
        int row = i / 2, column = i % 2;

        pkm_panel_draw(&figure->panels[i], canvas,
                       (pkm_frame){MARGIN + panel_width * column, top + (double)PANEL_HEIGHT * row,
                                   panel_width, PANEL_HEIGHT});
    }
    status = pkm_canvas_finish(canvas, out);
    pkm_canvas_destroy(canvas);
    return status;
}

static pkm_status draw_file(const char *path, const pkm_run_log *logs, int n_logs, bool tokens,
                            pkm_canvas_format format)
{
    pkm_figure figure;
    pkm_strbuf picture = {0};
    pkm_status status;

    PKM_TRY(pkm_figure_create(&figure, logs, n_logs, tokens));
    status = draw(&picture, &figure, logs, n_logs, format);
    if (status == PKM_OK)
        status = pkm_file_write(path, picture.data, picture.length);
    pkm_figure_release(&figure);
    pkm_strbuf_release(&picture);
    return status;
}

static pkm_status find_format(const char *path, pkm_canvas_format *out)
{
    const char *dot = strrchr(path, '.');

    if (dot != NULL && strcmp(dot, ".svg") == 0)
        *out = PKM_CANVAS_SVG;
    else if (dot != NULL && strcmp(dot, ".png") == 0)
        *out = PKM_CANVAS_PNG;
    else
        return pkm_fail(PKM_ERR_ARG, "%s: expected a name that ends in .svg or .png", path);
    return PKM_OK;
}

/* Where the part of a run's path begins that tells it from others: after what all begin with, and
 * at the last name at the latest. */
static size_t common_start(const char *const *runs, int n_runs)
{
    size_t start = 0;

    for (size_t i = 0;; i++) {
        for (int k = 0; k < n_runs; k++)
            if (runs[k][i] == '\0' || runs[k][i] != runs[0][i])
                return start;
        if (runs[0][i] == '/' && runs[0][i + 1] != '\0')
            start = i + 1;
    }
}

pkm_status pkm_plot(const char *path, const char *const *runs, int n_runs, bool tokens)
{
    pkm_canvas_format format;
    pkm_run_log *logs;
    size_t start;
    pkm_status status;
    int n = 0;

    if (n_runs < 1 || n_runs > PKM_REPORT_RUNS)
        return pkm_fail(PKM_ERR_ARG, "%d runs: expected 1 to %d", n_runs, PKM_REPORT_RUNS);
    PKM_TRY(find_format(path, &format));
    PKM_TRY(pkm_alloc_array((void **)&logs, (size_t)n_runs, sizeof *logs, "the logs of runs"));
    start = common_start(runs, n_runs);
    status = PKM_OK;
    while (status == PKM_OK && n < n_runs) {
        status = pkm_run_log_load(&logs[n], runs[n], runs[n] + start);
        n += status == PKM_OK;
    }
    if (status == PKM_OK)
        status = draw_file(path, logs, n_runs, tokens, format);
    for (int i = 0; i < n; i++)
        pkm_run_log_release(&logs[i]);
    pkm_free(logs);
    return status;
}
