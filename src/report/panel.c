/* SPDX-License-Identifier: Apache-2.0 */
#include "report/panel.h"

#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "report/series.h"

static const pkm_lettering title = {.size = 13, .alpha = 1, .bold = true};
static const pkm_lettering centred = {.size = 11, .alpha = 0.75, .align = PKM_MIDDLE};
static const pkm_lettering at_right = {.size = 11, .alpha = 0.75, .align = PKM_RIGHT};

pkm_status pkm_panel_add(pkm_panel *panel, double (**points)[2], int64_t n, int run, pkm_pen pen,
                         bool dots)
{
    pkm_curve curve = {.n = n, .run = run, .pen = pen, .dots = dots};
    size_t larger = pkm_size_sum((size_t)panel->n_curves, 1);

    PKM_TRY(pkm_alloc_grow((void **)&panel->curves, (size_t)panel->n_curves, larger,
                           sizeof *panel->curves, "a curve"));
    PKM_TRY(pkm_alloc_array((void **)&curve.points, (size_t)n, sizeof *curve.points, "a curve"));
    panel->curves[panel->n_curves++] = curve;
    *points = curve.points;
    return PKM_OK;
}

void pkm_panel_release(pkm_panel *panel)
{
    for (int i = 0; i < panel->n_curves; i++)
        pkm_free(panel->curves[i].points);
    pkm_free(panel->curves);
    *panel = (pkm_panel){0};
}

static double x_at(const pkm_panel *panel, pkm_frame inner, double value)
{
    return inner.x + inner.width * pkm_axis_place(&panel->x, value);
}

static double y_at(const pkm_panel *panel, pkm_frame inner, double value)
{
    return inner.y + inner.height * (1 - pkm_axis_place(&panel->y, value));
}

static void draw_ticks(const pkm_panel *panel, pkm_canvas *canvas, pkm_frame inner)
{
    const pkm_pen grid = {.alpha = 0.13, .width = 1};
    double ticks[PKM_TICKS];
    char text[32];
    int n = pkm_axis_ticks(&panel->y, 6, ticks);

    for (int i = 0; i < n; i++) {
        double y = y_at(panel, inner, ticks[i]);

        pkm_canvas_line(canvas, grid, (const double[][2]){{inner.x, y}, {inner.x + inner.width, y}},
                        2);
        pkm_axis_format(&panel->y, ticks[i], text, sizeof text);
        pkm_canvas_text(canvas, inner.x - 6, y + 4, text, at_right);
    }
    n = pkm_axis_ticks(&panel->x, 6, ticks);
    for (int i = 0; i < n; i++) {
        double x = x_at(panel, inner, ticks[i]), bottom = inner.y + inner.height;

        pkm_canvas_line(canvas, grid, (const double[][2]){{x, inner.y}, {x, bottom}}, 2);
        pkm_axis_format(&panel->x, ticks[i], text, sizeof text);
        pkm_canvas_text(canvas, x, bottom + 15, text, centred);
    }
}

static void draw_curve(const pkm_panel *panel, const pkm_curve *curve, pkm_canvas *canvas,
                       pkm_frame inner)
{
    double places[PKM_SERIES_POINTS + 1][2];

    for (int64_t i = 0; i < curve->n; i++) {
        places[i][0] = x_at(panel, inner, curve->points[i][0]);
        places[i][1] = y_at(panel, inner, curve->points[i][1]);
    }
    pkm_canvas_begin_run(canvas, curve->run);
    pkm_canvas_line(canvas, curve->pen, (const double(*)[2])places, curve->n);
    for (int64_t i = 0; i < curve->n && curve->dots; i++)
        if (!isnan(places[i][1]))
            pkm_canvas_dot(canvas, curve->pen, places[i][0], places[i][1], 1.2 * curve->pen.width);
    pkm_canvas_end_run(canvas);
}

void pkm_panel_draw(const pkm_panel *panel, pkm_canvas *canvas, pkm_frame frame)
{
    const double left = 46, right = 16, top = 28, bottom = 36;
    const pkm_frame inner = {frame.x + left, frame.y + top, frame.width - left - right,
                             frame.height - top - bottom};
    const double foot = inner.y + inner.height;
    const pkm_pen axis = {.alpha = 0.5, .width = 1};

    pkm_canvas_text(canvas, inner.x, frame.y + 17, panel->title, title);
    draw_ticks(panel, canvas, inner);
    pkm_canvas_line(canvas, axis,
                    (const double[][2]){{inner.x, foot}, {inner.x + inner.width, foot}}, 2);
    if (panel->x.label != NULL)
        pkm_canvas_text(canvas, inner.x + inner.width, foot + 30, panel->x.label, at_right);
    /* A dot on the edge is seen whole. */
    pkm_canvas_clip(canvas, inner.x, inner.y - 3, inner.width + 4, inner.height + 6);
    for (int i = 0; i < panel->n_curves; i++)
        draw_curve(panel, &panel->curves[i], canvas, inner);
    pkm_canvas_unclip(canvas);
}
