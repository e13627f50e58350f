/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/value_table.h"

#include <math.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "memory/scratch_file.h"

/* A page after each table: rows of one number, which are used together, would else often be a power
 * of two apart, and of those the first-level cache of some processors holds but one. */
enum { TABLE_GAP = 4096 };

static void *take(pkm_arena *arena, const pkm_rows *rows, size_t element_bytes)
{
    void *table = pkm_arena_take(arena, (size_t)rows->slots,
                                 pkm_size_product((size_t)rows->value_dim, element_bytes));

    (void)pkm_arena_take(arena, TABLE_GAP, 1);
    return table;
}

static void carve(pkm_rows *rows, pkm_arena *arena, bool train)
{
    rows->values = take(arena, rows, pkm_dtype_bytes(rows->dtype));
    if (!train)
        return;
    if (rows->optimizer == PKM_VALUES_ADAM) {
        rows->moment1 = take(arena, rows, sizeof(float));
        rows->moment2 = take(arena, rows, sizeof(float));
    } else if (rows->optimizer == PKM_VALUES_ADAM_ROW) {
        rows->mean = take(arena, rows, sizeof(uint16_t));
        rows->moment2 = pkm_arena_take(arena, (size_t)rows->slots, sizeof(float));
    } else if (rows->optimizer == PKM_VALUES_ADAGRAD) {
        rows->moment1 = pkm_arena_take(arena, (size_t)rows->slots, sizeof(float));
    }
}

pkm_status pkm_value_table_create(pkm_value_table *out, const pkm_store_config *config,
                                  const void *borrowed)
{
    pkm_value_table table = {.rows = {.values = (void *)borrowed,
                                      .dtype = config->dtype,
                                      .slots = config->slots,
                                      .value_dim = config->value_dim,
                                      .optimizer = config->optimizer,
                                      .seed = config->seed}};
    pkm_arena arena = {0};

    if (borrowed == NULL) {
        carve(&table.rows, &arena, config->train);
        if (arena.used == SIZE_MAX)
            return pkm_fail(PKM_ERR_NOMEM, "a value table of %lld x %lld does not fit any memory",
                            (long long)config->slots, (long long)config->value_dim);
        if (config->map_path != NULL)
            PKM_TRY(pkm_scratch_file_map(&table.file, config->map_path, arena.used));
        else
            PKM_TRY(pkm_pages_alloc(&table.pages, arena.used, "a value table"));
        table.bytes = arena.used;
        arena = (pkm_arena){.base = table.file != NULL ? table.file : table.pages};
        carve(&table.rows, &arena, config->train);
    }
    *out = table;
    return PKM_OK;
}

void pkm_value_table_release(pkm_value_table *table)
{
    pkm_pages_free(table->pages, table->bytes);
    pkm_scratch_file_unmap(table->file, table->bytes);
}

/* Even, as pkm_rng_fill_normal wants. */
enum { INIT_BLOCK = 4096 };

typedef struct init_values {
    const pkm_rows *rows;
    pkm_rng rng;
} init_values;

static void init_block(int64_t block, int thread, void *user)
{
    const init_values *init = user;
    const pkm_rows *rows = init->rows;
    int64_t first = block * INIT_BLOCK;
    int64_t count = pkm_min_i64(INIT_BLOCK, rows->slots * rows->value_dim - first);
    float deviation = (float)(1 / sqrt((double)rows->value_dim)), draws[INIT_BLOCK];
    float *out = rows->dtype == PKM_F32 ? (float *)rows->values + first : draws;

    (void)thread;
    pkm_rng_fill_normal(out, count, &init->rng, (uint64_t)first, deviation);
    if (rows->dtype == PKM_BF16)
        pkm_kernels_get()->f32_to_bf16((uint16_t *)rows->values + first, draws, count);
}

void pkm_value_table_init(const pkm_rows *rows, const char *name, uint64_t seed)
{
    init_values init = {rows, {.seed = seed, .stream = pkm_rng_stream(name)}};

    pkm_parallel(pkm_ceil_div(rows->slots * rows->value_dim, INIT_BLOCK), init_block, &init);
}
