/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of pkm demo: what is in it, and emptying that of an earlier demo. */
#ifndef PKM_CLI_DEMO_FOLDER_H
#define PKM_CLI_DEMO_FOLDER_H

#include "cmd.h"

enum { DEMO_PATH_BYTES = 4096 };

typedef struct demo_folder {
    char data[DEMO_PATH_BYTES];
    char runs[2][DEMO_PATH_BYTES]; /* plain, memory */
} demo_folder;

/* Makes dir with a mark in it. What an earlier demo left there is removed; a folder that has no
 * mark and is not empty is refused. False after a message. */
bool demo_folder_prepare(demo_folder *out, const cmd_input *input, const char *dir);

#endif
