/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of an HTML page. */
#ifndef PKM_REPORT_HTML_H
#define PKM_REPORT_HTML_H

#include "base/strbuf.h"
#include "report/panel.h"

/* The head of a page of this title, with its style, up to and with <body>. */
pkm_status pkm_html_begin(pkm_strbuf *out, const char *title);
/* Text with the characters that HTML gives a meaning replaced. */
pkm_status pkm_html_text(pkm_strbuf *out, const char *text);
/* A stretch of line as drawn by the pen. */
pkm_status pkm_html_swatch(pkm_strbuf *out, pkm_pen pen);
/* The panel as an SVG element: black becomes the page's colour of text, and its ids begin with
 * p<number>, so that several can stand in a page. */
pkm_status pkm_html_panel(pkm_strbuf *out, const pkm_panel *panel, int number);

#endif
