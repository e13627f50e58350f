/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a value table and of its optimiser's state, in pages or in a scratch file. */
#ifndef PKM_MEMORY_VALUE_TABLE_H
#define PKM_MEMORY_VALUE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pkm/memory.h"

typedef struct pkm_value_table {
    pkm_rows rows;
    void *pages, *file; /* one of them holds the rows, unless these are borrowed */
    size_t bytes;
} pkm_value_table;

/* Rows as the config says, zero; in the file map_path if one is named, and if `borrowed` is not
 * NULL, those there, which are only read. */
pkm_status pkm_value_table_create(pkm_value_table *out, const pkm_store_config *config,
                                  const void *borrowed);
void pkm_value_table_release(pkm_value_table *table);

/* Values drawn from a normal distribution of deviation 1 / sqrt(value_dim); `name` picks the
 * stream.
 */
void pkm_value_table_init(const pkm_rows *rows, const char *name, uint64_t seed);

#endif
