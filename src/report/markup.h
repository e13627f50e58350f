/* SPDX-License-Identifier: Apache-2.0 */
/* Text in HTML and SVG. */
#ifndef PKM_REPORT_MARKUP_H
#define PKM_REPORT_MARKUP_H

#include "base/strbuf.h"

/* Text with the characters that HTML and XML give a meaning replaced. */
pkm_status pkm_markup_text(pkm_strbuf *out, const char *text);

#endif
