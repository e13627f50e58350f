/* SPDX-License-Identifier: Apache-2.0 */
/* A table of its own for row probes: larger than what they visit in one run, so that a run finds
 * rows that no run before it left in a cache; or smaller than a cache, and visited over and over.
 */
#ifndef PKM_BENCH_ROW_TABLE_H
#define PKM_BENCH_ROW_TABLE_H

#include "row_probe.h"

typedef struct pkm_row_table {
    pkm_row_walk walk; /* of what was laid out last */
    int32_t *ids;
    size_t bytes;
} pkm_row_table;

/* `bytes` bytes, all written. */
pkm_status pkm_row_table_create(pkm_row_table *out, int64_t bytes);
void pkm_row_table_release(pkm_row_table *table);

/* Rows of row_bytes, in order or at random, visit_bytes of them by a run, each once before the
 * first comes again. */
pkm_status pkm_row_table_lay(pkm_row_table *table, int64_t row_bytes, int64_t visit_bytes,
                             bool random);

#endif
