/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of where a result will go, before the work that makes it. */
#ifndef PKM_CLI_OUTPUT_FOLDER_H
#define PKM_CLI_OUTPUT_FOLDER_H

#include <stdbool.h>

#include "cmd.h"

/* False, after a message, when dir is no folder that can be written, nor one that can be made. */
bool output_folder_check(const cmd_input *input, const char *dir);

#endif
