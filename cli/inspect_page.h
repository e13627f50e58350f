/* SPDX-License-Identifier: Apache-2.0 */
/* The page of pkm inspect --html, made of page/inspect.html, .css and .js when the tool is built.
 */
#ifndef PKM_CLI_INSPECT_PAGE_H
#define PKM_CLI_INSPECT_PAGE_H

/* UTF-8 with a NUL at its end; where it says INSPECT_PAGE_DATA comes a report as JSON. */
extern const unsigned char inspect_page[];
#define INSPECT_PAGE_DATA "@DATA@"

#endif
