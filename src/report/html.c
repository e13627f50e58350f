/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"

#include "report/markup.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--paper:#fff;--card:#f6f8fa;"
    "--edge:#d8dee4;--mark:#0072b2}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4af;--paper:#0f1317;"
    "--card:#171c22;--edge:#2c333b;--mark:#56b4e9}"
    ".panel>svg,.swatch{filter:brightness(1.25)}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:1240px;padding:24px 16px 48px;background:var(--paper);"
    "color:var(--ink);font:15px/1.5 system-ui,sans-serif}"
    "h1{font-size:26px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}"
    "h2{font-size:18px;margin:36px 0 10px}"
    "p{margin:4px 0;color:var(--soft)}"
    ".scroll{overflow-x:auto;border:1px solid var(--edge);border-radius:8px}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{padding:7px 10px;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid var(--edge)}"
    "tr:last-child td,tr:last-child th{border-bottom:0}"
    "thead th{background:var(--card);color:var(--soft);font-weight:600;font-size:13px;"
    "vertical-align:bottom;white-space:normal}"
    "th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper);"
    "min-width:min(46vw,11em);overflow-wrap:anywhere;white-space:normal}"
    "thead th:first-child{background:var(--card)}"
    "tbody th{font-weight:500}"
    ".best{font-weight:700;color:var(--mark)}"
    ".small{font-size:13px;color:var(--soft)}"
    ".legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 12px;padding:0;list-style:none;"
    "font-size:14px}"
    ".swatch{margin-right:7px}.swatch svg{vertical-align:middle}"
    ".panels{display:grid;gap:14px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr))}"
    ".panel{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:4px}"
    ".panel>svg{display:block;width:100%;height:auto;color:var(--ink);font-family:inherit}"
    "details{margin:14px 0}summary{cursor:pointer;font-weight:600;padding:4px 0}";

pkm_status pkm_html_begin(pkm_strbuf *out, const char *title)
{
    PKM_TRY(pkm_strbuf_printf(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"));
    PKM_TRY(pkm_markup_text(out, title));
    return pkm_strbuf_printf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
}

pkm_status pkm_html_swatch(pkm_strbuf *out, pkm_pen pen)
{
    enum { WIDTH = 26, HEIGHT = 8 };
    const double middle[][2] = {{0, HEIGHT / 2.0}, {WIDTH, HEIGHT / 2.0}};
    pkm_canvas *canvas;
    pkm_status status;

    PKM_TRY(pkm_strbuf_printf(out, "<span class=\"swatch\">"));
    PKM_TRY(pkm_canvas_create(&canvas, PKM_CANVAS_SVG, WIDTH, HEIGHT));
    pen.width = 3;
    pkm_canvas_line(canvas, pen, middle, 2);
    status = pkm_canvas_finish(canvas, out);
    pkm_canvas_destroy(canvas);
    PKM_TRY(status);
    return pkm_strbuf_printf(out, "</span>");
}

pkm_status pkm_html_panel(pkm_strbuf *out, const pkm_panel *panel)
{
    enum { WIDTH = 390, HEIGHT = 260 }; /* as wide as a phone, so that letters keep their size */
    pkm_canvas *canvas;
    pkm_status status;

    PKM_TRY(pkm_strbuf_printf(out, "<div class=\"panel\" role=\"img\" aria-label=\"%s\">\n",
                              panel->title));
    PKM_TRY(pkm_canvas_create(&canvas, PKM_CANVAS_SVG, WIDTH, HEIGHT));
    pkm_panel_draw(panel, canvas, (pkm_frame){0, 0, WIDTH, HEIGHT});
    status = pkm_canvas_finish(canvas, out);
    pkm_canvas_destroy(canvas);
    PKM_TRY(status);
    return pkm_strbuf_printf(out, "</div>\n");
}
