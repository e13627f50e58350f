/* SPDX-License-Identifier: Apache-2.0 */
/* A report of pkm_model_inspect_text for people: a table, or a page. */
#ifndef PKM_CLI_INSPECT_VIEW_H
#define PKM_CLI_INSPECT_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "cmd.h"

/* The most telling slots of each memory with the tokens that read them most, to stdout; returns the
 * exit code. */
int inspect_view_print(const cmd_input *input, const char *json);

/* The page that holds the report; a failure is kept in the stream. */
void inspect_view_page(FILE *file, const char *json);

#endif
