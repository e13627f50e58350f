/* SPDX-License-Identifier: Apache-2.0 */
/* The pure functions over a caller's table: weighted bag, its gradient, the row optimiser. */
#include "base/alloc.h"
#include "base/size.h"
#include "memory/memory_config.h"
#include "memory/row_pass.h"
#include "pkm/memory.h"

/* Rows of floats: those of int8 have scales, which a store knows. */
static pkm_status check_table(pkm_dtype dtype, int64_t slots, int64_t value_dim)
{
    pkm_store_config table = {
        .slots = slots, .value_dim = value_dim, .dtype = dtype, .train = true};

    return pkm_store_config_check(&table);
}

static pkm_status check_sizes(const pkm_bag *bag)
{
    PKM_TRY(check_table(bag->dtype, bag->slots, bag->value_dim));
    PKM_TRY(pkm_check_range("n_rows", bag->n_rows, 0, INT32_MAX));
    PKM_TRY(pkm_check_range("hits", bag->hits, 0, INT32_MAX));
    return pkm_check_range("n_rows * hits", bag->n_rows * bag->hits, 0, INT32_MAX);
}

static pkm_status check_bag(const pkm_bag *bag)
{
    int64_t n_hits;
    bool outside = false;

    PKM_TRY(check_sizes(bag));
    n_hits = bag->n_rows * bag->hits;
    for (int64_t i = 0; i < n_hits; i++)
        outside |= bag->ids[i] < 0 || bag->ids[i] >= bag->slots;
    for (int64_t i = 0; outside && i < n_hits; i++)
        PKM_TRY(pkm_check_range("an id", bag->ids[i], 0, bag->slots - 1));
    return PKM_OK;
}

pkm_status pkm_bag_forward(float *y, const pkm_bag *bag)
{
    PKM_TRY(check_bag(bag));
    pkm_pass_bag(y, bag);
    return PKM_OK;
}

/* The scratch of backward: a grouping, and the row each hit belongs to. */
static int32_t *carve_backward(pkm_grouping *grouping, pkm_arena *arena, const pkm_bag *bag)
{
    int64_t n_hits = bag->n_rows * bag->hits;

    pkm_grouping_carve(grouping, arena, n_hits, bag->slots);
    return pkm_arena_take(arena, (size_t)n_hits, sizeof(int32_t));
}

size_t pkm_bag_workspace(const pkm_bag *bag)
{
    pkm_grouping grouping;
    pkm_arena arena = {0};

    if (check_sizes(bag) != PKM_OK)
        return SIZE_MAX;
    (void)carve_backward(&grouping, &arena, bag);
    return arena.used;
}

pkm_status pkm_bag_backward(pkm_bag_grad *out, const float *dy, const pkm_bag *bag, void *workspace)
{
    pkm_grouping grouping;
    pkm_arena arena = {.base = workspace};
    int64_t n_hits;
    int32_t *sources;

    PKM_TRY(check_bag(bag));
    n_hits = bag->n_rows * bag->hits;
    sources = carve_backward(&grouping, &arena, bag);
    for (int64_t i = 0; i < n_hits; i++)
        sources[i] = (int32_t)(i / bag->hits);
    pkm_grouping_run(&grouping, bag->ids, sources, bag->weights, n_hits, bag->slots);
    if (out->weights != NULL)
        pkm_pass_dots(out->weights, bag->values, bag->dtype, dy, &grouping, bag->value_dim);
    pkm_pass_sums(out->values, dy, &grouping, bag->value_dim);
    for (int64_t i = 0; i < grouping.n_groups; i++)
        out->touched[i] = grouping.rows[i];
    out->n_touched = grouping.n_groups;
    return PKM_OK;
}

static pkm_status check_touched(const pkm_rows *rows, const int32_t *touched, int64_t n_touched)
{
    int64_t low = 0;

    PKM_TRY(check_table(rows->dtype, rows->slots, rows->value_dim));
    PKM_TRY(pkm_check_range("optimizer", (int64_t)rows->optimizer, PKM_VALUES_ADAM,
                            PKM_VALUES_ADAM_ROW));
    PKM_TRY(pkm_check_range("n_touched", n_touched, 0, rows->slots));
    for (int64_t i = 0; i < n_touched; i++) {
        PKM_TRY(pkm_check_range("a touched row", touched[i], low, rows->slots - 1));
        low = (int64_t)touched[i] + 1;
    }
    return PKM_OK;
}

/* Each touched row as a group of one hit of weight 1 on its own gradient. */
typedef struct update_scratch {
    int64_t *starts;
    int32_t *sources;
    float *weights, *row;
} update_scratch;

static void carve_update(update_scratch *out, pkm_arena *arena, int64_t n_touched,
                         int64_t value_dim)
{
    out->starts = pkm_arena_take(arena, pkm_size_sum((size_t)n_touched, 1), sizeof *out->starts);
    out->sources = pkm_arena_take(arena, (size_t)n_touched, sizeof *out->sources);
    out->weights = pkm_arena_take(arena, (size_t)n_touched, sizeof *out->weights);
    out->row = pkm_arena_take(arena, pkm_pass_scratch(value_dim), sizeof *out->row);
}

pkm_status pkm_rows_update(const pkm_rows *rows, const int32_t *touched, const float *gradient,
                           int64_t n_touched, int64_t t, float lr, float scale)
{
    pkm_arena arena = {0};
    update_scratch scratch;
    pkm_row_rule rule;
    pkm_row_hits hits;
    bool finite;

    PKM_TRY(check_touched(rows, touched, n_touched));
    PKM_TRY(pkm_row_rule_make(&rule, rows, t, lr, scale));
    carve_update(&scratch, &arena, n_touched, rows->value_dim);
    PKM_TRY(pkm_alloc((void **)&arena.base, arena.used, "a row update"));
    arena.used = 0;
    carve_update(&scratch, &arena, n_touched, rows->value_dim);
    for (int64_t i = 0; i < n_touched; i++) {
        scratch.starts[i] = i;
        scratch.sources[i] = (int32_t)i;
        scratch.weights[i] = 1;
    }
    scratch.starts[n_touched] = n_touched;
    hits = (pkm_row_hits){n_touched, touched, scratch.starts, scratch.sources, scratch.weights};
    finite = pkm_pass_step(rows, &rule, gradient, &hits, scratch.row);
    pkm_free(arena.base);
    if (!finite)
        return pkm_fail(PKM_ERR_NUMERIC, "a touched row or a moment of it is not finite");
    return PKM_OK;
}
