/* SPDX-License-Identifier: Apache-2.0 */
/* pkm_report: one page on the runs below a folder. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "pkm/info.h"
#include "pkm/report.h"
#include "report/figure.h"
#include "report/html.h"
#include "report/markup.h"
#include "report/page_table.h"
#include "report/run_list.h"

typedef struct report_page {
    pkm_run_list runs;
    pkm_run_log *logs;    /* [runs.count] */
    pkm_run_facts *facts; /* [runs.count] */
    char *title;          /* the folder's name */
} report_page;

/* The name of the folder itself, also where it is given as "." or by a path that ends in "..". */
static pkm_status find_title(char **out, const char *dir)
{
    char path[PATH_MAX];
    const char *name;

    name = realpath(dir, path) != NULL ? strrchr(path, '/') + 1 : dir;
    return pkm_label(out, name[0] != '\0' ? name : dir);
}

/* Runs are named by their path below the folder. */
static pkm_status load(report_page *page, const char *dir)
{
    size_t n;

    PKM_TRY(pkm_run_list_find(&page->runs, dir));
    n = (size_t)page->runs.count;
    PKM_TRY(pkm_alloc_array((void **)&page->logs, n, sizeof *page->logs, "the logs of runs"));
    PKM_TRY(pkm_alloc_array((void **)&page->facts, n, sizeof *page->facts, "the facts of runs"));
    PKM_TRY(find_title(&page->title, dir));
    for (size_t i = 0; i < n; i++) {
        const char *path = page->runs.paths[i], *below = path + strlen(dir);

        below += strspn(below, "/");
        PKM_TRY(pkm_run_log_load(&page->logs[i], path, below[0] != '\0' ? below : page->title));
        PKM_TRY(pkm_run_facts_load(&page->facts[i], path));
    }
    return PKM_OK;
}

static void release(report_page *page)
{
    for (int i = 0; i < page->runs.count; i++) {
        if (page->logs != NULL)
            pkm_run_log_release(&page->logs[i]);
        if (page->facts != NULL)
            pkm_run_facts_release(&page->facts[i]);
    }
    pkm_free(page->logs);
    pkm_free(page->facts);
    pkm_free(page->title);
    pkm_run_list_release(&page->runs);
}

static pkm_status write_legend(pkm_strbuf *out, const report_page *page)
{
    PKM_TRY(pkm_strbuf_printf(out, "<ul class=\"legend\">\n"));
    for (int i = 0; i < page->runs.count; i++) {
        PKM_TRY(pkm_strbuf_printf(out, "<li><button type=\"button\" data-run=\"%d\">", i));
        PKM_TRY(pkm_html_name(out, pkm_figure_pen(i, 0), page->logs[i].name));
        PKM_TRY(pkm_strbuf_printf(out, "</button></li>\n"));
    }
    return pkm_strbuf_printf(out, "</ul>\n");
}

static pkm_status write_curves(pkm_strbuf *out, const report_page *page, bool tokens)
{
    pkm_figure figure;
    pkm_status status;

    PKM_TRY(pkm_figure_create(&figure, page->logs, page->runs.count, tokens));
    status = pkm_strbuf_printf(out, "<h2>Curves</h2>\n");
    if (status == PKM_OK)
        status = write_legend(out, page);
    if (status == PKM_OK)
        status = pkm_strbuf_printf(out, "<div class=\"panels\">\n");
    for (int i = 0; i < figure.n_panels && status == PKM_OK; i++)
        status = pkm_html_panel(out, &figure.panels[i]);
    if (status == PKM_OK)
        status = pkm_strbuf_printf(out, "</div>\n");
    if (status == PKM_OK && figure.n_memories > 1)
        status = pkm_strbuf_printf(out, "<p class=\"small\">%s</p>\n", pkm_figure_further);
    pkm_figure_release(&figure);
    return status;
}

static pkm_status write(pkm_strbuf *out, const report_page *page, bool tokens)
{
    int n = page->runs.count;

    PKM_TRY(pkm_html_begin(out, page->title));
    PKM_TRY(pkm_strbuf_printf(out, "<h1>"));
    PKM_TRY(pkm_markup_text(out, page->title));
    PKM_TRY(pkm_strbuf_printf(out, "</h1>\n<p>%d run%s, by pkm %s</p>\n<h2>Results</h2>\n", n,
                              n == 1 ? "" : "s", pkm_version()));
    PKM_TRY(pkm_page_figures(out, page->logs, page->facts, n));
    PKM_TRY(write_curves(out, page, tokens));
    PKM_TRY(pkm_strbuf_printf(out, "<details><summary>All settings</summary>\n"));
    PKM_TRY(pkm_page_settings(out, page->logs, page->facts, n));
    PKM_TRY(pkm_strbuf_printf(out, "</details>\n"));
    return pkm_html_end(out);
}

pkm_status pkm_report(const char *path, const char *dir, bool tokens)
{
    report_page page = {0};
    pkm_strbuf html = {0};
    pkm_status status = load(&page, dir);

    if (status == PKM_OK)
        status = write(&html, &page, tokens);
    if (status == PKM_OK)
        status = pkm_file_write(path, html.data, html.length);
    release(&page);
    pkm_strbuf_release(&html);
    return status;
}
