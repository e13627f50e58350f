/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of an HTML page. */
#ifndef PKM_REPORT_HTML_H
#define PKM_REPORT_HTML_H

#include "base/strbuf.h"
#include "report/panel.h"

/* The head of a page of this title, with its style, up to and with <body>. */
pkm_status pkm_html_begin(pkm_strbuf *out, const char *title);
/* The end of the page, with its script: what has the attribute data-run stands out when it, or
 * something else of the same run, is pointed at. Without script all is seen as well. */
pkm_status pkm_html_end(pkm_strbuf *out);
/* A stretch of line as drawn by the pen, and a name. */
pkm_status pkm_html_name(pkm_strbuf *out, pkm_pen pen, const char *name);
pkm_status pkm_html_panel(pkm_strbuf *out, const pkm_panel *panel);

#endif
