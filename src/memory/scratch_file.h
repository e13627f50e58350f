/* SPDX-License-Identifier: Apache-2.0 */
/* Zeroed pages backed by a scratch file, for tables larger than memory. */
#ifndef PKM_MEMORY_SCRATCH_FILE_H
#define PKM_MEMORY_SCRATCH_FILE_H

#include <stddef.h>

#include "base/error.h"

/*
 * *out = `bytes` zeroed bytes mapped from a new file at `path`, whose blocks are allocated at once
 * (a full disk is an error here, not a signal later). The name is removed as soon as the file is
 * mapped: nothing is left behind, whatever ends the process.
 */
pkm_status pkm_scratch_file_map(void **out, const char *path, size_t bytes);

/* NULL is allowed. */
void pkm_scratch_file_unmap(void *pages, size_t bytes);

#endif
