/* SPDX-License-Identifier: Apache-2.0 */
/* A file that appears when it is whole: until then it is PATH.part. */
#ifndef PKM_CLI_OUTPUT_FILE_H
#define PKM_CLI_OUTPUT_FILE_H

#include <stdio.h>

#include "cmd.h"

typedef struct output_file {
    const char *path; /* borrowed */
    char *part;
    FILE *file;
} output_file;

/* Opens PATH.part, before the work that fills it; false after a message. */
bool output_file_open(const cmd_input *input, output_file *out, const char *path);

/* Gives the file its name; returns the exit code. */
int output_file_keep(const cmd_input *input, output_file *out);

/* Removes what was written. */
void output_file_drop(output_file *out);

#endif
