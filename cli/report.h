/* SPDX-License-Identifier: Apache-2.0 */
/* The library's JSON reports, as they are or as text for people. */
#ifndef PKM_CLI_REPORT_H
#define PKM_CLI_REPORT_H

#include <stdbool.h>

/* Prints a report to stdout: the text itself, or "name  value" lines, indented by depth. */
void report_print(const char *json, bool as_json);

#endif
