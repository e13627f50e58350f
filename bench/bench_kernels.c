/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of the table of kernels that this processor can run, on one thread and on operands that
 * stay in a cache: beside the peak of its arithmetic and a loop that only rewrites such memory.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "kernel_cases.h"
#include "peak.h"
#include "row_table.h"

typedef struct kernels_values {
    const char *family;
    int64_t n, width, runs;
} kernels_values;

#define AT(field) offsetof(kernels_values, field)

static const pkm_option rows[] = {
    {"family", PKM_OPTION_STRING, AT(family), 0, 0, NULL, NULL, "NAME", NULL,
     "only families whose name begins so, such as bag"},
    {"rows", PKM_OPTION_INT, AT(n), 1, 1 << 16, "64", NULL, NULL, NULL,
     "rows of the operands; rounded up to a multiple of 32"},
    {"width", PKM_OPTION_INT, AT(width), 1, 1 << 14, "256", NULL, NULL, NULL,
     "their width; rounded up to a multiple of 64"},
    {"runs", PKM_OPTION_INT, AT(runs), 1, 1000000, "5", NULL, NULL, NULL, "measured runs"},
};

/* Calls of a run, so that reading the clock does not count. */
enum { CALLS = 8, CACHED_VISITS = 64, ROW_BYTES = 1024 };

typedef struct kernel_bench {
    const kernels_values *values;
    pkm_kernel_data data;
    pkm_row_table cached;
} kernel_bench;

typedef struct kernel_task {
    pkm_kernel_data *data;
    pkm_kernel_run *run;
    pkm_kernel_fn fn;
    int variant;
} kernel_task;

static pkm_status call(void *user)
{
    const kernel_task *task = user;

    for (int i = 0; i < CALLS; i++)
        (void)task->run(task->fn, task->data, task->variant);
    return PKM_OK;
}

/* Ceilings of all kernels: memory, and arithmetic by the dtype of its products. */
typedef struct kernel_ceilings {
    int cached, peak[PKM_ROW_DTYPES];
} kernel_ceilings;

static pkm_status add_ceilings(pkm_measure *measure, kernel_ceilings *out, kernel_bench *bench)
{
    const pkm_row_walk *walk = &bench->cached.walk;

    PKM_TRY(pkm_row_probe_add(measure, &out->cached, "as much memory only rewritten", walk, 1));
    for (int dtype = 0; dtype < PKM_ROW_DTYPES; dtype++)
        PKM_TRY(pkm_peak_add(measure, &out->peak[dtype], (pkm_dtype)dtype, 1));
    return PKM_OK;
}

/* "bag[PKM_BF16]" as "bag[BF16]". */
static void name_kernel(char out[PKM_TASK_NAME], const pkm_kernel_row *row)
{
    static const char *const prefixes[] = {"PKM_VALUES_", "PKM_"};
    int n = 0;

    for (const char *c = row->family; *c != '\0' && n < PKM_TASK_NAME / 2; c++) {
        for (int i = 0; i < 2; i++)
            if (strncmp(c, prefixes[i], strlen(prefixes[i])) == 0)
                c += strlen(prefixes[i]);
        out[n++] = *c;
    }
    snprintf(out + n, PKM_TASK_NAME - (size_t)n, " %s", pkm_isa_name(row->isa));
}

static pkm_status add_kernel(pkm_measure *measure, const kernel_ceilings *ceilings,
                             kernel_bench *bench, const pkm_kernel_row *row)
{
    pkm_task task = {.body = call,
                     .release = pkm_free,
                     .threads = 1,
                     .items = CALLS,
                     .unit = "calls",
                     .parts_overlap = true};
    kernel_task kernel = {.data = &bench->data, .fn = row->fn};
    pkm_kernel_cost cost;

    kernel.run = pkm_kernel_case(row, &kernel.variant);
    if (kernel.run == NULL)
        return pkm_fail(PKM_ERR_INTERNAL, "kernel '%s' has no case in bench/kernel_cases.c",
                        row->family);
    cost = kernel.run(kernel.fn, kernel.data, kernel.variant);
    task.parts[0] = (pkm_floor_part){ceilings->cached, CALLS * cost.bytes};
    task.parts[1] = (pkm_floor_part){ceilings->peak[cost.compute], CALLS * cost.flops};
    name_kernel(task.name, row);
    PKM_TRY(pkm_alloc_array(&task.user, 1, sizeof kernel, "a kernel"));
    memcpy(task.user, &kernel, sizeof kernel);
    return pkm_measure_add(measure, NULL, &task);
}

/* Rows of all levels up to the one in use. */
static pkm_status add_tasks(pkm_measure *measure, void *user)
{
    kernel_bench *bench = user;
    const char *family = bench->values->family;
    kernel_ceilings ceilings;
    pkm_isa level;
    int n_rows, added = 0;
    const pkm_kernel_row *row = pkm_kernel_rows(&n_rows);

    PKM_TRY(pkm_isa_current(&level));
    PKM_TRY(add_ceilings(measure, &ceilings, bench));
    for (int i = 0; i < n_rows; i++)
        if (row[i].isa <= level && strncmp(row[i].family, family, strlen(family)) == 0) {
            PKM_TRY(add_kernel(measure, &ceilings, bench, &row[i]));
            added++;
        }
    return added > 0 ? PKM_OK
                     : pkm_fail(PKM_ERR_ARG, "family is '%s': no kernel's name begins so", family);
}

static pkm_status create(kernel_bench *bench)
{
    int64_t n = pkm_ceil_div(bench->values->n, 32) * 32;
    int64_t width = pkm_ceil_div(bench->values->width, 64) * 64;
    int64_t bytes = 2 * n * width * (int64_t)sizeof(float);

    PKM_TRY(pkm_kernel_data_create(&bench->data, n, width));
    PKM_TRY(pkm_row_table_create(&bench->cached, bytes));
    return pkm_row_table_lay(&bench->cached, ROW_BYTES, CACHED_VISITS * bytes, false);
}

static pkm_status run(const void *values, pkm_bench_sink sink, void *user)
{
    kernel_bench bench = {.values = values};
    pkm_status status = create(&bench);

    if (status == PKM_OK)
        status = pkm_measure_all(bench.values->runs, add_tasks, &bench, sink, user);
    pkm_row_table_release(&bench.cached);
    pkm_kernel_data_release(&bench.data);
    return status;
}

const pkm_bench pkm_bench_kernels = {
    .name = "kernels",
    .options = {rows, sizeof rows / sizeof rows[0], sizeof(kernels_values)},
    .run = run,
};
