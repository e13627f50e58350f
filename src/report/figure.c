/* SPDX-License-Identifier: Apache-2.0 */
#include "report/figure.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

typedef enum panel_id { LOSS, PERPLEXITY, USED, TOP1_USED, KL, MASS } panel_id;

/* What a point's value becomes on the paper. */
typedef double (*show_value)(double value);

static double as_it_is(double value)
{
    return value;
}

static double as_perplexity(double loss)
{
    return exp(fmax(-300, fmin(loss, 300))); /* what an axis can show */
}

const char pkm_figure_further[] = "Further memories of a run are paler, with other dashes.";

pkm_pen pkm_figure_pen(int run, int memory)
{
    static const uint32_t colors[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9};
    enum { N_COLORS = sizeof colors / sizeof colors[0] };

    return (pkm_pen){.color = colors[run % N_COLORS],
                     .alpha = memory == 0 ? 1 : 0.6,
                     .width = memory == 0 ? 1.7 : 1.2,
                     .dash = (run / N_COLORS + memory) % PKM_DASHES};
}

static double along(pkm_point point, bool tokens)
{
    return tokens ? point.tokens : point.step;
}

/* A dot at each point while they are few, but not on what stands in the background, unless it is
 * all there is. */
static pkm_status add_series(pkm_panel *panel, const pkm_series *series, bool tokens, int run,
                             pkm_pen pen, show_value show)
{
    enum { FEW = 60 };
    double(*points)[2];

    if (series->count == 0)
        return PKM_OK;
    PKM_TRY(pkm_panel_add(panel, &points, (int64_t)series->count, run, pen,
                          series->count <= (pen.alpha == 1 ? FEW : 1)));
    for (size_t i = 0; i < series->count; i++) {
        points[i][0] = along(series->points[i], tokens);
        points[i][1] = show(series->points[i].value);
    }
    return PKM_OK;
}

/* Means over neighbours, a 40th of the run to either side. */
static pkm_status add_smooth(pkm_panel *panel, const pkm_series *series, bool tokens, int run,
                             pkm_pen pen)
{
    size_t reach = series->count / 40;
    double(*points)[2];

    if (series->count == 0)
        return PKM_OK;
    PKM_TRY(pkm_panel_add(panel, &points, (int64_t)series->count, run, pen, series->count == 1));
    for (size_t i = 0; i < series->count; i++) {
        size_t side = reach < i ? reach : i; /* the same to both, or the ends would lean */

        side = side < series->count - 1 - i ? side : series->count - 1 - i;
        points[i][0] = along(series->points[i], tokens);
        for (size_t k = i - side; k <= i + side; k++)
            points[i][1] += series->points[k].value / (double)(2 * side + 1);
    }
    return PKM_OK;
}

static pkm_status add_mass(pkm_panel *panel, const pkm_memory_log *memory, int run, pkm_pen pen)
{
    double(*points)[2];

    if (memory->n_ranks == 0)
        return PKM_OK;
    PKM_TRY(pkm_panel_add(panel, &points, memory->n_ranks, run, pen, false));
    for (int i = 0; i < memory->n_ranks; i++) {
        points[i][0] = memory->rank[i];
        points[i][1] = memory->mass[i] > 1e-30 ? memory->mass[i] : 0; /* less is none */
    }
    return PKM_OK;
}

static pkm_status add_memories(pkm_panel *panels, const pkm_run_log *log, int run, bool tokens)
{
    for (int i = 0; i < log->n_memories; i++) {
        const pkm_memory_log *memory = &log->memories[i];
        pkm_pen pen = pkm_figure_pen(run, i);

        PKM_TRY(add_series(&panels[USED], &memory->used, tokens, run, pen, as_it_is));
        PKM_TRY(add_series(&panels[TOP1_USED], &memory->top1_used, tokens, run, pen, as_it_is));
        PKM_TRY(add_series(&panels[KL], &memory->kl, tokens, run, pen, as_it_is));
        PKM_TRY(add_mass(&panels[MASS], memory, run, pen));
    }
    return PKM_OK;
}

/* Of few runs the loss itself is seen behind its mean. */
static pkm_status add_runs(pkm_panel *panels, const pkm_run_log *logs, int n_logs, bool tokens)
{
    enum { FEW_RUNS = 3 };

    for (int i = 0; i < n_logs && n_logs <= FEW_RUNS; i++) {
        pkm_pen faint = pkm_figure_pen(i, 0);

        faint.alpha = 0.3;
        faint.width = 0.8;
        if (logs[i].loss.count > 40)
            PKM_TRY(add_series(&panels[LOSS], &logs[i].loss, tokens, i, faint, as_it_is));
    }
    for (int i = 0; i < n_logs; i++) {
        pkm_pen pen = pkm_figure_pen(i, 0);

        PKM_TRY(add_smooth(&panels[LOSS], &logs[i].loss, tokens, i, pen));
        PKM_TRY(add_series(&panels[PERPLEXITY], &logs[i].val_loss, tokens, i, pen, as_perplexity));
        PKM_TRY(add_memories(panels, &logs[i], i, tokens));
    }
    return PKM_OK;
}

static double largest_x(const pkm_panel *panel)
{
    double most = 0;

    for (int i = 0; i < panel->n_curves; i++)
        for (int64_t k = 0; k < panel->curves[i].n; k++)
            most = fmax(most, panel->curves[i].points[k][0]);
    return most;
}

/* The range of y where x is at least `from`; false if there is nothing. */
static bool find_range(pkm_panel *panel, double from)
{
    bool found = false;

    panel->y.lo = INFINITY;
    panel->y.hi = -INFINITY;
    for (int i = 0; i < panel->n_curves; i++)
        for (int64_t k = 0; k < panel->curves[i].n; k++) {
            const double *point = panel->curves[i].points[k];

            if (point[0] < from || (panel->y.log && point[1] <= 0))
                continue;
            panel->y.lo = fmin(panel->y.lo, point[1]);
            panel->y.hi = fmax(panel->y.hi, point[1]);
            found = true;
        }
    return found;
}

/* Ranges from what is drawn. The first part of the steps, in which the loss falls steeply, would
 * leave no room for the rest and may be cut off above. */
static void fit(pkm_panel *panel, double floor, double first)
{
    if (panel->x.log) {
        panel->x.lo = 1;
        panel->x.hi = fmax(10, largest_x(panel));
    } else {
        panel->x.lo = 0;
        panel->x.hi = fmax(1, largest_x(panel));
    }
    if (panel->y.percent) {
        panel->y.lo = 0;
        panel->y.hi = 1;
        return;
    }
    if (!find_range(panel, panel->x.log ? 0 : first * panel->x.hi) && !find_range(panel, 0))
        panel->y.lo = panel->y.hi = 1;
    if (floor == 0) {
        panel->y.lo = 0;
        panel->y.hi = fmax(panel->y.hi, 0); /* what should not be below may be, by rounding */
    }
    pkm_axis_pad(&panel->y, floor);
}

static void describe(pkm_panel *panels, bool tokens)
{
    const char *unit = tokens ? "tokens" : "steps";

    for (int i = 0; i < PKM_PANELS; i++)
        panels[i].x.label = unit;
    panels[LOSS].title = "Training loss";
    panels[PERPLEXITY].title = "Held-out perplexity";
    panels[PERPLEXITY].y.log = true;
    panels[USED].title = "Slots read";
    panels[USED].y.percent = true;
    panels[TOP1_USED].title = "Slots that were the best of a read";
    panels[TOP1_USED].y.percent = true;
    panels[KL].title = "KL from uniform use, nats";
    panels[MASS].title = "Share of the mass by slot, sorted";
    panels[MASS].x = (pkm_axis){.log = true, .label = "rank of the slot"};
    panels[MASS].y.log = true;
}

pkm_status pkm_figure_create(pkm_figure *out, const pkm_run_log *logs, int n_logs, bool tokens)
{
    pkm_figure figure = {.n_panels = PKM_PANELS};
    /* Several runs are compared where they end. */
    const double first = n_logs > 1 ? 0.25 : 0.05;
    int kept = 0;
    pkm_status status;

    describe(figure.panels, tokens);
    status = add_runs(figure.panels, logs, n_logs, tokens);
    if (status != PKM_OK) {
        pkm_figure_release(&figure);
        return status;
    }
    for (int i = 0; i < n_logs; i++)
        if (logs[i].n_memories > figure.n_memories)
            figure.n_memories = logs[i].n_memories;
    for (int i = 0; i < PKM_PANELS; i++) {
        fit(&figure.panels[i], i == KL ? 0 : -INFINITY, first);
        if (figure.panels[i].n_curves > 0)
            figure.panels[kept++] = figure.panels[i];
    }
    figure.n_panels = kept;
    if (kept == 0)
        return pkm_fail(PKM_ERR_ARG, "nothing to show: no step and no evaluation was logged yet");
    *out = figure;
    return PKM_OK;
}

void pkm_figure_release(pkm_figure *figure)
{
    for (int i = 0; i < figure->n_panels; i++)
        pkm_panel_release(&figure->panels[i]);
    *figure = (pkm_figure){0};
}
