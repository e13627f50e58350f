/* SPDX-License-Identifier: Apache-2.0 */
#include "report/markup.h"

#include <string.h>

pkm_status pkm_markup_text(pkm_strbuf *out, const char *text)
{
    static const char special[] = "&<>\"'";
    static const char *const replaced[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    while (*text != '\0') {
        size_t plain = strcspn(text, special);

        PKM_TRY(pkm_strbuf_append(out, text, plain));
        text += plain;
        if (*text != '\0')
            PKM_TRY(pkm_strbuf_printf(out, "%s", replaced[strchr(special, *text++) - special]));
    }
    return PKM_OK;
}
