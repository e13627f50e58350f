/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a user names: a file, or standard input for NULL and "-". */
#ifndef PKM_CLI_INPUT_FILE_H
#define PKM_CLI_INPUT_FILE_H

#include <stdio.h>

#include "cmd.h"

/* "standard input" or the path. */
const char *input_name(const char *path);

/* NULL after a message. */
FILE *input_open(const cmd_input *input, const char *path);

/* The whole of it, NUL appended, to be freed; NULL after a message, as for more than `most` bytes:
 * a device never ends. */
char *input_read(const cmd_input *input, const char *path, size_t most, size_t *bytes);

#endif
