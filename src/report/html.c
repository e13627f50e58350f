/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"

#include "report/markup.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--paper:#fff;--card:#f6f8fa;"
    "--edge:#d8dee4;--mark:#0072b2}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4af;--paper:#0f1317;"
    "--card:#171c22;--edge:#2c333b;--mark:#56b4e9}"
    ".panel>svg,.name>svg{filter:brightness(1.25)}}"
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
    "min-width:min(46vw,15em);overflow-wrap:anywhere;white-space:normal}"
    "thead th:first-child{background:var(--card)}"
    "tbody th{font-weight:500}"
    ".best{font-weight:700;color:var(--mark)}"
    ".small{font-size:13px;color:var(--soft)}"
    ".name{display:flex;gap:8px;align-items:baseline;text-align:left}.name svg{flex:none}"
    ".name span{overflow-wrap:anywhere}thead .name{min-width:8em}"
    ".legend{display:flex;flex-wrap:wrap;gap:2px 6px;margin:0 0 12px -6px;padding:0;"
    "list-style:none}"
    ".legend button{font:inherit;font-size:14px;color:inherit;background:none;"
    "border:1px solid transparent;border-radius:6px;padding:1px 6px;cursor:pointer}"
    ".legend button[aria-pressed=true]{border-color:var(--mark)}"
    ".some [data-run]:not(tr,.on){opacity:.13}.some .legend :not(.on)[data-run]{opacity:.55}"
    "tr.on>*{background:var(--card)!important}"
    ".panels{display:grid;gap:14px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr))}"
    ".panel{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:4px}"
    ".panel>svg{display:block;width:100%;height:auto;color:var(--ink);font-family:inherit}"
    "details{margin:14px 0}summary{cursor:pointer;font-weight:600;padding:4px 0}";

/* A run is shown before the others while the pointer or the focus is on its row, its name or one of
 * its curves, and for good by a click, until the next one there or beside all of them. */
static const char script[] =
    "(()=>{const all=document.querySelectorAll('[data-run]'),kept=new Set;"
    "const of=e=>e.target.closest('[data-run]')?.dataset.run;"
    "const show=run=>{const on=new Set(kept);if(run)on.add(run);"
    "document.body.classList.toggle('some',on.size>0);"
    "for(const e of all){e.classList.toggle('on',on.has(e.dataset.run));"
    "if(e.matches('button'))e.setAttribute('aria-pressed',kept.has(e.dataset.run))}};"
    "for(const kind of['mouseover','focusin'])document.addEventListener(kind,e=>show(of(e)));"
    "document.addEventListener('click',e=>{const run=of(e);"
    "if(!run)kept.clear();else if(!kept.delete(run))kept.add(run);show()})})()";

pkm_status pkm_html_begin(pkm_strbuf *out, const char *title)
{
    PKM_TRY(pkm_strbuf_printf(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"));
    PKM_TRY(pkm_markup_text(out, title));
    return pkm_strbuf_printf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
}

pkm_status pkm_html_end(pkm_strbuf *out)
{
    return pkm_strbuf_printf(out, "<script>%s</script>\n</body>\n</html>\n", script);
}

pkm_status pkm_html_name(pkm_strbuf *out, pkm_pen pen, const char *name)
{
    enum { WIDTH = 26, HEIGHT = 8 };
    const double middle[][2] = {{0, HEIGHT / 2.0}, {WIDTH, HEIGHT / 2.0}};
    pkm_canvas *canvas;
    pkm_status status;

    PKM_TRY(pkm_strbuf_printf(out, "<span class=\"name\">"));
    PKM_TRY(pkm_canvas_create(&canvas, PKM_CANVAS_SVG, WIDTH, HEIGHT));
    pen.width = 3;
    pkm_canvas_line(canvas, pen, middle, 2);
    status = pkm_canvas_finish(canvas, out);
    pkm_canvas_destroy(canvas);
    PKM_TRY(status);
    PKM_TRY(pkm_strbuf_printf(out, "<span>"));
    PKM_TRY(pkm_markup_text(out, name));
    return pkm_strbuf_printf(out, "</span></span>");
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
