/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages in roff, from the same tables as --help. */
#ifndef PKM_CLI_MAN_PAGE_H
#define PKM_CLI_MAN_PAGE_H

#include "cmd.h"

/* The page of a command, pkm-train(1), to stdout; NULL: that of the tool, pkm(1). */
void man_page_print(const cmd *command);

#endif
