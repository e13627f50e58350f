/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bounds all the rest on this machine, on one thread and on all: memory, read and rewritten,
 * in order and by rows at random; products of the dense provider, square and at the shapes of a
 * model, beside the peak of the processor's multiply-adds.
 */
#include <stdio.h>

#include "peak.h"
#include "product.h"
#include "row_table.h"

enum { ALL, ONLY_MEMORY, ONLY_PRODUCTS };

enum { MIB = 1 << 20, IN_ORDER_BYTES = 4096 };

typedef struct ceilings_values {
    int what;
    int64_t table_mib, visit_mib, square, tokens, dim, vocab_size, runs;
    pkm_int_list row_bytes;
} ceilings_values;

#define AT(field) offsetof(ceilings_values, field)

static const pkm_option rows[] = {
    {"what", PKM_OPTION_CHOICE, AT(what), 0, 0, "all", "all|memory|products", NULL, NULL,
     "what to measure"},
    {"table_mib", PKM_OPTION_INT, AT(table_mib), 1, 1 << 20, "1024", NULL, "MiB", NULL,
     "table that rows are read from"},
    {"visit_mib", PKM_OPTION_INT, AT(visit_mib), 1, 1 << 20, "64", NULL, "MiB", NULL,
     "of it visited by a run, the next part by the next run"},
    {"row_bytes", PKM_OPTION_LIST, AT(row_bytes), 64, 1 << 16, "256,512,1024,2048,4096", NULL,
     "bytes", NULL, "widths of rows"},
    {"square", PKM_OPTION_INT, AT(square), 1, 1 << 15, "1024", NULL, NULL, NULL,
     "rows, inputs and outputs of the square product"},
    {"tokens", PKM_OPTION_INT, AT(tokens), 1, 1 << 20, "4096", NULL, "tokens", NULL,
     "rows of the model's products"},
    {"dim", PKM_OPTION_INT, AT(dim), 1, 1 << 16, "256", NULL, NULL, NULL, "width of the model"},
    {"vocab_size", PKM_OPTION_INT, AT(vocab_size), 2, 1000000, "8192", NULL, "tokens", NULL,
     "vocabulary of the model"},
    {"runs", PKM_OPTION_INT, AT(runs), 1, 1000000, "7", NULL, NULL, NULL, "measured runs"},
};

typedef struct walk_ceilings {
    pkm_row_table table;
    bool random;
} walk_ceilings;

static pkm_status add_walks(pkm_measure *measure, void *user)
{
    const walk_ceilings *what = user;
    int threads[2], n = pkm_bench_threads(threads);
    pkm_row_walk walk = what->table.walk;
    char name[PKM_TASK_NAME];

    for (int i = 0; i < 2 * n; i++) {
        walk.rewrite = i % 2 == 1;
        snprintf(name, sizeof name, "%s %s, rows of %lld B", walk.rewrite ? "rewrite" : "read",
                 what->random ? "at random" : "in order", (long long)walk.row_bytes[0]);
        PKM_TRY(pkm_row_probe_add(measure, NULL, name, &walk, threads[i / 2]));
    }
    return PKM_OK;
}

static pkm_status measure_rows(const ceilings_values *values, walk_ceilings *what,
                               int64_t row_bytes, pkm_bench_sink sink, void *user)
{
    PKM_TRY(pkm_row_table_lay(&what->table, row_bytes, values->visit_mib * MIB, what->random));
    return pkm_measure_all(values->runs, add_walks, what, sink, user);
}

static pkm_status run_memory(const ceilings_values *values, pkm_bench_sink sink, void *user)
{
    walk_ceilings what = {.random = false};
    pkm_status status;

    PKM_TRY(pkm_row_table_create(&what.table, values->table_mib * MIB));
    status = measure_rows(values, &what, IN_ORDER_BYTES, sink, user);
    what.random = true;
    for (int64_t i = 0; i < values->row_bytes.count && status == PKM_OK; i++)
        status = measure_rows(values, &what, values->row_bytes.value[i], sink, user);
    pkm_row_table_release(&what.table);
    return status;
}

typedef struct shape_ceilings {
    pkm_product_shape shape;
    pkm_product_kind kind;
} shape_ceilings;

static pkm_status add_products(pkm_measure *measure, void *user)
{
    const shape_ceilings *what = user;
    int threads[2], n = pkm_bench_threads(threads), peak;

    for (int i = 0; i < n; i++) {
        PKM_TRY(pkm_peak_add(measure, &peak, what->shape.compute, threads[i]));
        PKM_TRY(pkm_product_add(measure, NULL, &what->shape, what->kind, peak, threads[i]));
    }
    return PKM_OK;
}

static pkm_status measure_shape(const pkm_product_shape *shape, int64_t runs, pkm_bench_sink sink,
                                void *user)
{
    shape_ceilings what = {.shape = *shape};

    for (int kind = 0; kind < PKM_PRODUCT_KINDS; kind++) {
        what.kind = (pkm_product_kind)kind;
        PKM_TRY(pkm_measure_all(runs, add_products, &what, sink, user));
    }
    return PKM_OK;
}

static pkm_status run_products(const ceilings_values *values, pkm_bench_sink sink, void *user)
{
    const int64_t tokens = values->tokens, dim = values->dim;
    const pkm_product_shape shapes[] = {
        {.n_rows = values->square, .n_in = values->square, .n_out = values->square},
        {.n_rows = tokens, .n_in = dim, .n_out = dim},
        {.n_rows = tokens, .n_in = dim, .n_out = 3 * dim},
        {.n_rows = tokens, .n_in = dim, .n_out = 4 * dim},
        {.n_rows = tokens, .n_in = 4 * dim, .n_out = dim},
        {.n_rows = tokens, .n_in = dim, .n_out = values->vocab_size, .layout = PKM_WEIGHT_OUT_IN},
    };

    for (int dtype = PKM_F32; dtype <= PKM_BF16; dtype++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            pkm_product_shape shape = shapes[i];

            shape.compute = (pkm_dtype)dtype;
            PKM_TRY(measure_shape(&shape, values->runs, sink, user));
        }
    return PKM_OK;
}

static pkm_status run(const void *values, pkm_bench_sink sink, void *user)
{
    const ceilings_values *options = values;

    if (options->what != ONLY_PRODUCTS)
        PKM_TRY(run_memory(options, sink, user));
    return options->what != ONLY_MEMORY ? run_products(options, sink, user) : PKM_OK;
}

const pkm_bench pkm_bench_ceilings = {
    .name = "ceilings",
    .options = {rows, sizeof rows / sizeof rows[0], sizeof(ceilings_values)},
    .run = run,
};
