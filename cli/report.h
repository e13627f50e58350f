/* SPDX-License-Identifier: Apache-2.0 */
/* The library's JSON reports, as they are or as text for people. */
#ifndef PKM_CLI_REPORT_H
#define PKM_CLI_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "cmd.h"

/* Prints a report to stdout: the text itself, or "name  value" lines, indented by depth. */
void report_print(const char *json, bool as_json);

/* Prints an object on one line and releases it; returns the exit code. NULL, after a failed
 * json_pack, is told of. */
int report_object(const cmd_input *input, json_t *object);

#endif
