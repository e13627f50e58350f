/* SPDX-License-Identifier: Apache-2.0 */
#include "report/page_table.h"

#include <math.h>
#include <stdio.h>

#include "pkm/train.h"
#include "report/figure.h"
#include "report/html.h"
#include "report/markup.h"

/* One row of the table of figures. */
typedef struct run_row {
    const pkm_run_log *log;
    const pkm_run_facts *facts;
    bool best; /* no run has a lower held-out loss at its end */
} run_row;

/* ---- cells: their content ---- */

static pkm_status decimals(pkm_strbuf *out, double value, int digits)
{
    return isfinite(value) ? pkm_strbuf_printf(out, "%.*f", digits, value)
                           : pkm_strbuf_printf(out, "–");
}

/* 1.32M */
static pkm_status amount(pkm_strbuf *out, double value)
{
    char text[32];

    if (!isfinite(value))
        return pkm_strbuf_printf(out, "–");
    pkm_axis_format(&(pkm_axis){0}, value, text, sizeof text);
    return pkm_strbuf_printf(out, "%s", text);
}

static pkm_status perplexity(pkm_strbuf *out, const run_row *row)
{
    PKM_TRY(pkm_strbuf_printf(out, row->best ? "<span class=\"best\">" : "<span>"));
    PKM_TRY(decimals(out, exp(row->log->last_val), 2));
    return pkm_strbuf_printf(out, "</span>");
}

static pkm_status val_loss(pkm_strbuf *out, const run_row *row)
{
    return decimals(out, row->log->last_val, 4);
}

static pkm_status best_val(pkm_strbuf *out, const run_row *row)
{
    return decimals(out, exp(row->log->best_val), 2);
}

static pkm_status parameters(pkm_strbuf *out, const run_row *row)
{
    return amount(out, row->facts->parameters);
}

static pkm_status of_memories(pkm_strbuf *out, const run_row *row)
{
    return amount(out, row->facts->of_memories);
}

static pkm_status tokens(pkm_strbuf *out, const run_row *row)
{
    return amount(out, row->log->tokens);
}

static pkm_status rate(pkm_strbuf *out, const run_row *row)
{
    double median;

    PKM_TRY(pkm_series_median(&row->log->tok_per_s, &median));
    return decimals(out, median, 0);
}

/* 1:02:03 */
static pkm_status wall(pkm_strbuf *out, const run_row *row)
{
    double seconds = row->log->wall;
    long long whole;

    if (!(seconds < 1e12))
        return pkm_strbuf_printf(out, "–");
    whole = llround(seconds);
    return pkm_strbuf_printf(out, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}

static double last_of(const pkm_series *series)
{
    return series->count > 0 ? series->points[series->count - 1].value : NAN;
}

static pkm_status slots(pkm_strbuf *out, const run_row *row)
{
    const pkm_memory_log *memories = row->log->memories;

    for (int i = 0; i < row->log->n_memories; i++)
        if (i == 0 || memories[i].slots != memories[i - 1].slots) /* most often all have the same */
            PKM_TRY(
                pkm_strbuf_printf(out, "%s%lld", i > 0 ? " / " : "", (long long)memories[i].slots));
    return PKM_OK;
}

static pkm_status used(pkm_strbuf *out, const run_row *row)
{
    for (int i = 0; i < row->log->n_memories; i++)
        PKM_TRY(pkm_strbuf_printf(out, "%s%.1f %%", i > 0 ? " / " : "",
                                  100 * last_of(&row->log->memories[i].used)));
    return PKM_OK;
}

static pkm_status top1_used(pkm_strbuf *out, const run_row *row)
{
    for (int i = 0; i < row->log->n_memories; i++)
        PKM_TRY(pkm_strbuf_printf(out, "%s%.1f %%", i > 0 ? " / " : "",
                                  100 * last_of(&row->log->memories[i].top1_used)));
    return PKM_OK;
}

static pkm_status kl(pkm_strbuf *out, const run_row *row)
{
    for (int i = 0; i < row->log->n_memories; i++)
        PKM_TRY(pkm_strbuf_printf(out, "%s%.2f", i > 0 ? " / " : "",
                                  last_of(&row->log->memories[i].kl)));
    return PKM_OK;
}

static pkm_status incidents(pkm_strbuf *out, const run_row *row)
{
    return pkm_strbuf_printf(out, "%lld", (long long)row->log->n_incidents);
}

/* ---- tables ---- */

static pkm_status setting_cell(pkm_strbuf *out, const char *text)
{
    PKM_TRY(pkm_strbuf_printf(out, "<td>"));
    PKM_TRY(pkm_markup_text(out, text == NULL ? "–" : text[0] == '\0' ? "none" : text));
    return pkm_strbuf_printf(out, "</td>");
}

/* When a column is worth its place. */
typedef enum column_need {
    ALWAYS,
    IF_BETTER_BEFORE, /* a run's end is not its best */
    WITH_MEMORIES,
    WITH_INCIDENTS,
    N_NEEDS
} column_need;

static const struct {
    const char *head;
    pkm_status (*write)(pkm_strbuf *out, const run_row *row);
    column_need need;
} columns[] = {
    {"Held-out perplexity", perplexity, ALWAYS},
    {"best on the way", best_val, IF_BETTER_BEFORE},
    {"Held-out loss", val_loss, ALWAYS},
    {"Parameters", parameters, ALWAYS},
    {"of them values", of_memories, WITH_MEMORIES},
    {"Slots", slots, WITH_MEMORIES},
    {"read", used, WITH_MEMORIES},
    {"best of a read", top1_used, WITH_MEMORIES},
    {"KL, nats", kl, WITH_MEMORIES},
    {"Tokens", tokens, ALWAYS},
    {"Tokens/s", rate, ALWAYS},
    {"Time", wall, ALWAYS},
    {"Incidents", incidents, WITH_INCIDENTS},
};

enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

/* The settings in which not all runs agree, which tell what a run is. */
static pkm_status differences(pkm_strbuf *out, const pkm_run_facts *facts, int n_runs, int run)
{
    for (int row = 0; row < pkm_train_option_table()->count; row++)
        if (pkm_run_facts_differ(facts, n_runs, row))
            PKM_TRY(setting_cell(out, facts[run].settings[row]));
    return PKM_OK;
}

static pkm_status figures(pkm_strbuf *out, const run_row *row, const bool *needed)
{
    for (int i = 0; i < N_COLUMNS; i++) {
        if (!needed[columns[i].need])
            continue;
        PKM_TRY(pkm_strbuf_printf(out, "<td>"));
        if (columns[i].need == WITH_MEMORIES && row->log->n_memories == 0)
            PKM_TRY(pkm_strbuf_printf(out, "–"));
        else
            PKM_TRY(columns[i].write(out, row));
        PKM_TRY(pkm_strbuf_printf(out, "</td>"));
    }
    return PKM_OK;
}

static pkm_status heads(pkm_strbuf *out, const pkm_run_facts *facts, int n_runs, const bool *needed)
{
    const pkm_option_table *table = pkm_train_option_table();

    PKM_TRY(pkm_strbuf_printf(out, "<div class=\"scroll\"><table>\n<thead><tr><th>Run</th>"));
    for (int row = 0; row < table->count; row++)
        if (pkm_run_facts_differ(facts, n_runs, row))
            PKM_TRY(pkm_strbuf_printf(out, "<th scope=\"col\">%s</th>", table->rows[row].name));
    for (int i = 0; i < N_COLUMNS; i++)
        if (needed[columns[i].need])
            PKM_TRY(pkm_strbuf_printf(out, "<th scope=\"col\">%s</th>", columns[i].head));
    return pkm_strbuf_printf(out, "</tr></thead>\n<tbody>\n");
}

pkm_status pkm_page_figures(pkm_strbuf *out, const pkm_run_log *logs, const pkm_run_facts *facts,
                            int n_runs)
{
    bool needed[N_NEEDS] = {[ALWAYS] = true};
    double lowest = INFINITY;

    for (int i = 0; i < n_runs; i++) {
        needed[IF_BETTER_BEFORE] |= logs[i].best_val < logs[i].last_val;
        needed[WITH_MEMORIES] |= logs[i].n_memories > 0;
        needed[WITH_INCIDENTS] |= logs[i].n_incidents > 0;
        lowest = fmin(lowest, logs[i].last_val); /* passes over NaN */
    }
    PKM_TRY(heads(out, facts, n_runs, needed));
    for (int i = 0; i < n_runs; i++) {
        run_row row = {&logs[i], &facts[i], n_runs > 1 && logs[i].last_val <= lowest};

        PKM_TRY(pkm_strbuf_printf(out, "<tr data-run=\"%d\"><th scope=\"row\">", i));
        PKM_TRY(pkm_html_name(out, pkm_figure_pen(i, 0), logs[i].name));
        PKM_TRY(pkm_strbuf_printf(out, "</th>"));
        PKM_TRY(differences(out, facts, n_runs, i));
        PKM_TRY(figures(out, &row, needed));
        PKM_TRY(pkm_strbuf_printf(out, "</tr>\n"));
    }
    return pkm_strbuf_printf(out, "</tbody></table></div>\n");
}

pkm_status pkm_page_settings(pkm_strbuf *out, const pkm_run_log *logs, const pkm_run_facts *facts,
                             int n_runs)
{
    const pkm_option_table *table = pkm_train_option_table();

    PKM_TRY(pkm_strbuf_printf(out, "<div class=\"scroll\"><table>\n<thead><tr><th>Setting</th>"));
    for (int i = 0; i < n_runs; i++) {
        PKM_TRY(pkm_strbuf_printf(out, "<th scope=\"col\">"));
        PKM_TRY(pkm_html_name(out, pkm_figure_pen(i, 0), logs[i].name));
        PKM_TRY(pkm_strbuf_printf(out, "</th>"));
    }
    PKM_TRY(pkm_strbuf_printf(out, "</tr></thead>\n<tbody>\n"));
    for (int row = 0; row < table->count; row++) {
        PKM_TRY(pkm_strbuf_printf(out, "<tr><th scope=\"row\">%s</th>", table->rows[row].name));
        for (int i = 0; i < n_runs; i++)
            PKM_TRY(setting_cell(out, facts[i].settings[row]));
        PKM_TRY(pkm_strbuf_printf(out, "</tr>\n"));
    }
    return pkm_strbuf_printf(out, "</tbody></table></div>\n");
}
