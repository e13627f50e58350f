/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/store.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "memory/memory_config.h"
#include "memory/row_ahead.h"
#include "memory/row_pass.h"
#include "memory/value_table.h"
#include "params/adamw.h"

/* Rows recorded by one task. */
enum { RECORD_ROWS = 64 };

/* Sums of squares of what was recorded: they bound every row's gradient. */
typedef struct record_squares {
    double weights, upstream;
} record_squares;

/* What is recorded between two steps. */
typedef struct hit_log {
    int64_t max_rows, max_hits; /* hits: of one row */
    int64_t n_rows, n_hits;
    int32_t *ids, *sources; /* [max_rows * max_hits] row of the table; of upstream */
    float *weights;         /* [max_rows * max_hits] */
    float *upstream;        /* [max_rows, value_dim] */
    record_squares *blocks; /* of the backward that came last, a block of its rows each */
    record_squares squares; /* of all that is recorded */
    pkm_grouping grouping;
    bool stale;      /* the grouping does not hold all recorded hits */
    double *partial; /* of the gradient's norm */
    void *pages;
    size_t pages_bytes;
} hit_log;

struct pkm_store {
    pkm_store_config config;
    char name[PKM_PARAM_NAME];
    pkm_value_table table;
    const pkm_param *scales; /* of an int8 table, one number a row; NULL: none */
    pkm_row_ahead ahead;     /* of a table that lies in a mapped file */
    hit_log log;
    float *scratch; /* [scratch_count] of the passes, for the threads in use */
    size_t scratch_count;
    pkm_slot_reads reads; /* while somebody watches */
};

/* Bytes of the values, or of a moment. */
static size_t largest_array(const pkm_store_config *config)
{
    return pkm_size_product((size_t)config->slots,
                            pkm_size_product((size_t)config->value_dim, sizeof(float)));
}

/* With a table of its own, or on a borrowed one, which lies in a mapped file. */
static pkm_status create(pkm_store **out, const pkm_store_config *config, const void *table)
{
    pkm_store *store;
    pkm_status status;

    PKM_TRY(pkm_store_config_check(config));
    PKM_TRY(pkm_alloc_array((void **)&store, 1, sizeof *store, "a value store"));
    store->config = *config;
    store->config.map_path = NULL;
    memcpy(store->name, "values", sizeof "values");
    status = pkm_value_table_create(&store->table, config, table);
    if (status == PKM_OK && (table != NULL || config->map_path != NULL))
        status = pkm_row_ahead_init(&store->ahead, largest_array(config));
    if (status != PKM_OK) {
        pkm_store_destroy(store);
        return status;
    }
    *out = store;
    return PKM_OK;
}

pkm_status pkm_store_create(pkm_store **out, const pkm_store_config *config)
{
    return create(out, config, NULL);
}

pkm_status pkm_store_create_view(pkm_store **out, const pkm_store_config *config, const void *table)
{
    if (config->train)
        return pkm_fail(PKM_ERR_ARG, "a borrowed value table cannot be trained");
    return create(out, config, table);
}

void pkm_store_destroy(pkm_store *store)
{
    if (store == NULL)
        return;
    pkm_value_table_release(&store->table);
    pkm_pages_free(store->log.pages, store->log.pages_bytes);
    pkm_row_ahead_release(&store->ahead);
    pkm_free(store->scratch);
    pkm_slot_reads_release(&store->reads);
    pkm_free(store);
}

pkm_status pkm_store_register(pkm_store *store, pkm_params *params, const char *name)
{
    pkm_param_spec spec = {.n_dims = 2,
                           .dims = {store->config.slots, store->config.value_dim},
                           .role = PKM_PARAM_ROWS};
    size_t bytes = strlen(name) + 1;
    pkm_param *param;

    if (bytes > sizeof spec.name)
        return pkm_fail(PKM_ERR_ARG, "the name '%.20s...' of a value table is longer than %d", name,
                        PKM_PARAM_NAME - 1);
    memcpy(spec.name, name, bytes);
    PKM_TRY(pkm_params_add(params, &param, &spec));
    memcpy(store->name, name, bytes);
    PKM_TRY(pkm_param_store(params, param, store->config.dtype));
    param->data = store->table.rows.values;
    store->scales = param->scales;
    return PKM_OK;
}

const float *pkm_store_scales(const pkm_store *store)
{
    return store->scales != NULL ? store->scales->data : NULL;
}

const pkm_store_config *pkm_store_config_of(const pkm_store *store)
{
    return &store->config;
}

void pkm_store_init(pkm_store *store, uint64_t seed)
{
    pkm_value_table_init(&store->table.rows, store->name, seed);
}

pkm_status pkm_store_prepare(pkm_store *store, const void **base, const int32_t **local,
                             const int32_t *ids, int64_t n_ids)
{
    size_t row_bytes = (size_t)store->config.value_dim * pkm_dtype_bytes(store->config.dtype);

    if (store->ahead.asked != NULL)
        pkm_row_ahead_ask(&store->ahead, store->table.rows.values, row_bytes, ids, n_ids);
    *base = store->table.rows.values;
    *local = ids;
    return PKM_OK;
}

static void carve_log(hit_log *log, pkm_arena *arena, const pkm_store_config *config)
{
    int64_t hits = log->max_rows * log->max_hits;
    size_t blocks = (size_t)pkm_pass_blocks(pkm_min_i64(hits, config->slots));

    log->ids = pkm_arena_take(arena, (size_t)hits, sizeof *log->ids);
    log->sources = pkm_arena_take(arena, (size_t)hits, sizeof *log->sources);
    log->weights = pkm_arena_take(arena, (size_t)hits, sizeof *log->weights);
    log->upstream =
        pkm_arena_take(arena, (size_t)log->max_rows,
                       pkm_size_product((size_t)config->value_dim, sizeof *log->upstream));
    log->blocks = pkm_arena_take(arena, (size_t)pkm_ceil_div(log->max_rows, RECORD_ROWS),
                                 sizeof *log->blocks);
    log->partial = pkm_arena_take(arena, blocks, sizeof *log->partial);
    pkm_grouping_carve(&log->grouping, arena, hits, config->slots);
}

static pkm_status check_trained(const pkm_store *store)
{
    if (!store->config.train)
        return pkm_fail(PKM_ERR_STATE, "the value store '%s' was made without training",
                        store->name);
    return PKM_OK;
}

pkm_status pkm_store_reserve(pkm_store *store, int64_t max_rows, int64_t max_hits)
{
    hit_log log = {.max_rows = pkm_max_i64(max_rows, store->log.max_rows),
                   .max_hits = pkm_max_i64(max_hits, store->log.max_hits)};
    pkm_arena arena = {0};

    PKM_TRY(check_trained(store));
    PKM_TRY(pkm_check_range("rows recorded in a step", log.max_rows, 0, INT32_MAX));
    PKM_TRY(pkm_check_range("hits of a row", log.max_hits, 0, INT32_MAX));
    PKM_TRY(pkm_check_range("hits recorded in a step", log.max_rows * log.max_hits, 0, INT32_MAX));
    if (log.max_rows == store->log.max_rows && log.max_hits == store->log.max_hits)
        return PKM_OK;
    if (store->log.n_rows > 0)
        return pkm_fail(PKM_ERR_STATE, "the value store '%s' has hits that wait for a step",
                        store->name);
    carve_log(&log, &arena, &store->config);
    if (arena.used == SIZE_MAX)
        return pkm_fail(PKM_ERR_NOMEM, "the hits of a step do not fit any memory");
    PKM_TRY(pkm_pages_alloc(&log.pages, arena.used, "the hits of a step"));
    log.pages_bytes = arena.used;
    arena = (pkm_arena){.base = log.pages};
    carve_log(&log, &arena, &store->config);
    pkm_pages_free(store->log.pages, store->log.pages_bytes);
    store->log = log;
    return PKM_OK;
}

int64_t pkm_store_reserved(const pkm_store *store)
{
    return store->log.max_rows;
}

size_t pkm_store_bytes(const pkm_store *store)
{
    return store->table.bytes;
}

size_t pkm_store_log_bytes(const pkm_store *store)
{
    return store->log.pages_bytes;
}

/* A bag on its way into the log. */
typedef struct record {
    hit_log *log;
    const int32_t *ids;
    const float *weights, *upstream;
    int64_t n_rows, hits, value_dim;
} record;

static void record_block(int64_t block, int thread, void *user)
{
    const record *bag = user;
    hit_log *log = bag->log;
    int64_t row = block * RECORD_ROWS, n = pkm_min_i64(RECORD_ROWS, bag->n_rows - row);
    int64_t from = row * bag->hits, to = log->n_hits + from, width = bag->value_dim;

    (void)thread;
    log->blocks[block] = (record_squares){
        .weights = pkm_kernels_get()->sum_squares(bag->weights + from, n * bag->hits),
        .upstream = pkm_kernels_get()->sum_squares(bag->upstream + row * width, n * width),
    };
    memcpy(log->ids + to, bag->ids + from, (size_t)(n * bag->hits) * sizeof *log->ids);
    memcpy(log->weights + to, bag->weights + from, (size_t)(n * bag->hits) * sizeof *log->weights);
    memcpy(log->upstream + (log->n_rows + row) * width, bag->upstream + row * width,
           (size_t)(n * width) * sizeof *log->upstream);
    for (; n > 0; n--, row++)
        for (int64_t i = 0; i < bag->hits; i++)
            log->sources[to++] = (int32_t)(log->n_rows + row);
}

/* Groups hits first .. n_hits - 1; their sources are rows of the whole upstream. */
static void group_from(pkm_store *store, int64_t first)
{
    hit_log *log = &store->log;

    pkm_grouping_run(&log->grouping, log->ids + first, log->sources + first, log->weights + first,
                     log->n_hits - first, store->config.slots);
    log->stale = first > 0;
}

/* Of a mapped table: the moments that step will read come in while earlier layers run backward. */
static void ask_for_moments(pkm_store *store)
{
    pkm_row_hits hits = pkm_grouping_hits(&store->log.grouping);
    pkm_store_moment moments[2];
    int count = pkm_store_moments(store, moments);

    if (store->ahead.asked == NULL)
        return;
    for (int i = 0; i < count; i++) {
        int64_t width = moments[i].n_dims == 2 ? moments[i].dims[1] : 1;

        pkm_row_ahead_ask(&store->ahead, moments[i].data,
                          (size_t)width * pkm_dtype_bytes(moments[i].dtype), hits.rows,
                          store->log.grouping.n_groups);
    }
}

pkm_status pkm_store_backward(pkm_store *store, float *dweights, const int32_t *ids,
                              const float *weights, const float *upstream, int64_t n_rows,
                              int64_t hits)
{
    hit_log *log = &store->log;
    int64_t value_dim = store->config.value_dim, first_row = log->n_rows, first_hit = log->n_hits;
    const int32_t *local;
    const void *base;
    record bag;

    PKM_TRY(check_trained(store));
    if (n_rows > log->max_rows - log->n_rows || hits > log->max_hits)
        return pkm_fail(PKM_ERR_STATE,
                        "%lld rows of %lld hits do not fit the value store '%s': room for %lld "
                        "rows of %lld hits before a step, of which %lld are taken",
                        (long long)n_rows, (long long)hits, store->name, (long long)log->max_rows,
                        (long long)log->max_hits, (long long)log->n_rows);
    PKM_TRY(pkm_store_prepare(store, &base, &local, ids, n_rows * hits));
    bag = (record){log, local, weights, upstream, n_rows, hits, value_dim};
    pkm_parallel(pkm_ceil_div(n_rows, RECORD_ROWS), record_block, &bag);
    log->n_rows += n_rows;
    log->n_hits += n_rows * hits;
    group_from(store, first_hit);
    ask_for_moments(store);
    pkm_pass_dots(dweights, base, store->config.dtype, log->upstream, &log->grouping, value_dim);
    /* An upstream element that is not finite shows in the dots of every row its hits read. */
    if (!isfinite(pkm_kernels_get()->sum_squares(dweights, n_rows * hits))) {
        log->n_rows = first_row;
        log->n_hits = first_hit;
        log->stale = true;
        return pkm_fail(PKM_ERR_NUMERIC, "the gradient of the rows of '%s' is not finite",
                        store->name);
    }
    for (int64_t block = 0; block < pkm_ceil_div(n_rows, RECORD_ROWS); block++) {
        log->squares.weights += log->blocks[block].weights;
        log->squares.upstream += log->blocks[block].upstream;
    }
    return PKM_OK;
}

/* What a pass over all recorded hits needs: training, the grouping of them all, scratch. */
static pkm_status ready_to_step(pkm_store *store)
{
    size_t scratch = pkm_pass_scratch(store->config.value_dim);

    PKM_TRY(check_trained(store));
    if (scratch > store->scratch_count) { /* the first step, or more threads than before */
        PKM_TRY(pkm_alloc_grow((void **)&store->scratch, 0, scratch, sizeof(float),
                               "a value store's scratch"));
        store->scratch_count = scratch;
    }
    if (store->log.stale)
        group_from(store, 0);
    return PKM_OK;
}

pkm_status pkm_store_grad_norm(pkm_store *store, double *out)
{
    hit_log *log = &store->log;
    double sum;

    PKM_TRY(ready_to_step(store));
    sum = pkm_pass_sum_squares(log->upstream, &log->grouping, store->config.value_dim, log->partial,
                               store->scratch);
    if (!isfinite(sum))
        return pkm_fail(PKM_ERR_NUMERIC, "the gradient of the rows of '%s' is not finite",
                        store->name);
    *out = sqrt(sum);
    return PKM_OK;
}

/*
 * By Cauchy and Schwarz, the gradient sum_i w_i u_i of a row is at most sqrt(sum w^2 sum |u|^2)
 * over its hits, and an upstream row is among those at most max_hits times. Only where this is not
 * small enough are the gradients themselves looked at.
 */
pkm_status pkm_store_check(pkm_store *store, float grad_scale)
{
    const hit_log *log = &store->log;
    double bound = sqrt(log->squares.weights * log->squares.upstream * (double)log->max_hits);
    double scale = fabs((double)grad_scale), norm;
    float unused;

    if (bound * fmax(scale, 1) < PKM_GRADIENT_LIMIT)
        return PKM_OK;
    PKM_TRY(pkm_store_grad_norm(store, &norm));
    return pkm_clip_scale(&unused, norm * scale, 0, store->name);
}

pkm_status pkm_store_step(pkm_store *store, int64_t t, float lr, float grad_scale)
{
    hit_log *log = &store->log;
    pkm_row_hits hits;
    pkm_row_rule rule;
    pkm_status status;
    bool finite;

    PKM_TRY(pkm_row_rule_make(&rule, &store->table.rows, t, lr, grad_scale));
    PKM_TRY(ready_to_step(store));
    status = pkm_store_check(store, grad_scale);
    if (status != PKM_OK) {
        pkm_store_discard(store);
        return status;
    }
    hits = pkm_grouping_hits(&log->grouping);
    finite = pkm_pass_step(&store->table.rows, &rule, log->upstream, &hits, store->scratch);
    pkm_slot_reads_add(&store->reads, &hits);
    pkm_store_discard(store);
    if (!finite)
        return pkm_fail(PKM_ERR_NUMERIC, "a row of '%s' or a moment of it is not finite",
                        store->name);
    return PKM_OK;
}

void pkm_store_discard(pkm_store *store)
{
    store->log.n_rows = 0;
    store->log.n_hits = 0;
    store->log.squares = (record_squares){0};
    store->log.stale = false;
    store->log.grouping.n_groups = 0;
}

int64_t pkm_store_touched(const pkm_store *store)
{
    return store->log.grouping.n_groups;
}

int pkm_store_moments(const pkm_store *store, pkm_store_moment out[2])
{
    const pkm_rows *rows = &store->table.rows;
    bool adagrad = rows->optimizer == PKM_VALUES_ADAGRAD;
    const pkm_store_moment moments[] = {
        {adagrad ? "sum" : "exp_avg", PKM_F32, adagrad ? 1 : 2, {0}, rows->moment1},
        {"exp_avg", PKM_BF16, 2, {0}, rows->mean},
        {"exp_avg_sq", PKM_F32, rows->mean != NULL ? 1 : 2, {0}, rows->moment2},
    };
    int count = 0;

    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        if (moments[i].data == NULL)
            continue;
        out[count] = moments[i];
        out[count].dims[0] = rows->slots;
        out[count].dims[1] = moments[i].n_dims == 2 ? rows->value_dim : 0;
        count++;
    }
    return count;
}

pkm_status pkm_store_watch(pkm_store *store)
{
    PKM_TRY(check_trained(store));
    if (store->reads.window == NULL)
        return pkm_slot_reads_init(&store->reads, store->config.slots);
    pkm_slot_reads_clear(&store->reads);
    return PKM_OK;
}

pkm_slot_reads *pkm_store_reads(pkm_store *store)
{
    return &store->reads;
}

void *pkm_store_values(const pkm_store *store)
{
    return store->table.rows.values;
}

const char *pkm_store_name(const pkm_store *store)
{
    return store->name;
}
