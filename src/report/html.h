/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of an HTML page. */
#ifndef PKM_REPORT_HTML_H
#define PKM_REPORT_HTML_H

#include "base/strbuf.h"
#include "report/panel.h"

/* The head of a page of this title, with its style, up to and with <body>. */
pkm_status pkm_html_begin(pkm_strbuf *out, const char *title);
/* A stretch of line as drawn by the pen. */
pkm_status pkm_html_swatch(pkm_strbuf *out, pkm_pen pen);
pkm_status pkm_html_panel(pkm_strbuf *out, const pkm_panel *panel);

#endif
