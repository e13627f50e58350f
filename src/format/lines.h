/* SPDX-License-Identifier: Apache-2.0 */
/* A text file line by line, in memory bounded by the longest of them. */
#ifndef PKM_FORMAT_LINES_H
#define PKM_FORMAT_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Gets a line without its newline; `number` counts from 1. Another status than PKM_OK ends the
 * reading with it. */
typedef pkm_status (*pkm_line_reader)(const char *line, size_t bytes, int64_t number, void *user);

/* Calls read for each line of a regular file. What follows the last newline is being written yet,
 * and left out; a line of more than `most` bytes is PKM_ERR_FORMAT. */
pkm_status pkm_lines_read(const char *path, size_t most, pkm_line_reader read, void *user);

#endif
