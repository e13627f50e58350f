/* SPDX-License-Identifier: Apache-2.0 */
#include "row_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/system.h"

pkm_status pkm_row_table_create(pkm_row_table *out, int64_t bytes)
{
    void *pages;

    PKM_TRY(pkm_memory_check((uint64_t)bytes, "the table that is read", "a smaller one would fit"));
    PKM_TRY(pkm_pages_alloc(&pages, (size_t)bytes, "a table"));
    memset(pages, 1, (size_t)bytes); /* untouched pages would all be the one of zeros */
    *out = (pkm_row_table){.walk = {.n_tables = 1, .table = {pages}}, .bytes = (size_t)bytes};
    return PKM_OK;
}

void pkm_row_table_release(pkm_row_table *table)
{
    if (table->bytes > 0)
        pkm_pages_free(table->walk.table[0], table->bytes);
    pkm_free(table->ids);
}

static void shuffle(int32_t *ids, int64_t count)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.rows")};

    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = pkm_rng_u32(&rng, (uint64_t)i) % (i + 1);
        int32_t id = ids[i];

        ids[i] = ids[j];
        ids[j] = id;
    }
}

pkm_status pkm_row_table_lay(pkm_row_table *table, int64_t row_bytes, int64_t visit_bytes,
                             bool random)
{
    pkm_row_walk *walk = &table->walk;
    int64_t n_rows = pkm_max_i64(1, (int64_t)table->bytes / row_bytes);

    walk->row_bytes[0] = row_bytes;
    walk->slice = pkm_max_i64(1, visit_bytes / row_bytes);
    walk->n_ids = pkm_max_i64(1, n_rows / walk->slice) * walk->slice;
    pkm_free(table->ids);
    table->ids = NULL;
    PKM_TRY(
        pkm_alloc_array((void **)&table->ids, (size_t)walk->n_ids, sizeof *table->ids, "row ids"));
    for (int64_t i = 0; i < walk->n_ids; i++)
        table->ids[i] = (int32_t)(i % n_rows);
    if (random)
        shuffle(table->ids, walk->n_ids);
    walk->ids = table->ids;
    return PKM_OK;
}
