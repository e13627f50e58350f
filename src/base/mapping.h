/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file lies behind an address: a note of every live mapping of a file, so that whoever
 * catches a SIGBUS can name the file that was shortened (pkm_mapped_file of include/pkm/error.h).
 */
#ifndef PKM_BASE_MAPPING_H
#define PKM_BASE_MAPPING_H

#include <stddef.h>

/* Notes a mapping until it is removed; beyond 1024 at once they stay without a name. */
void pkm_mapping_add(const void *data, size_t bytes, const char *path);
void pkm_mapping_remove(const void *data);

#endif
