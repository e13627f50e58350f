/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/size.h"
#include "base/threads.h"

typedef struct timed_task {
    pkm_task task;
    pkm_bench_figure figure;
    double seconds[]; /* [runs], by round, until they are sorted for the figure */
} timed_task;

struct pkm_measure {
    int64_t runs;
    int threads; /* as many as were set when it was made */
    timed_task **tasks;
    int n_tasks;
};

pkm_status pkm_measure_create(pkm_measure **out, int64_t runs)
{
    if (runs < 1)
        return pkm_fail(PKM_ERR_ARG, "runs is %lld: expected at least 1", (long long)runs);
    PKM_TRY(pkm_alloc_array((void **)out, 1, sizeof **out, "a measurement"));
    (*out)->runs = runs;
    (*out)->threads = pkm_threads();
    return PKM_OK;
}

void pkm_measure_destroy(pkm_measure *measure)
{
    if (measure == NULL)
        return;
    for (int i = 0; i < measure->n_tasks; i++) {
        timed_task *timed = measure->tasks[i];

        if (timed->task.release != NULL)
            timed->task.release(timed->task.user);
        pkm_free(timed);
    }
    pkm_free(measure->tasks);
    pkm_free(measure);
}

static pkm_status append(pkm_measure *measure, const pkm_task *task)
{
    size_t used = (size_t)measure->n_tasks;
    size_t seconds = pkm_size_product((size_t)measure->runs, sizeof(double));
    timed_task *timed;

    PKM_TRY(pkm_alloc_grow((void **)&measure->tasks, used, pkm_size_sum(used, 1),
                           sizeof *measure->tasks, "tasks"));
    PKM_TRY(pkm_alloc_array((void **)&timed, 1, pkm_size_sum(sizeof *timed, seconds), "a task"));
    timed->task = *task;
    measure->tasks[measure->n_tasks++] = timed;
    return PKM_OK;
}

pkm_status pkm_measure_add(pkm_measure *measure, int *index, const pkm_task *task)
{
    pkm_status status = append(measure, task);

    if (status != PKM_OK && task->release != NULL)
        task->release(task->user);
    if (status == PKM_OK && index != NULL)
        *index = measure->n_tasks - 1;
    return status;
}

static pkm_status use_threads(int threads)
{
    return threads == pkm_threads() ? PKM_OK : pkm_threads_set(threads);
}

static int threads_of(const pkm_measure *measure, const pkm_task *task)
{
    return task->threads > 0 ? task->threads : measure->threads;
}

static pkm_status time_task(double *seconds, const pkm_measure *measure, const pkm_task *task)
{
    uint64_t start_ns;

    PKM_TRY(use_threads(threads_of(measure, task)));
    start_ns = pkm_clock_ns();
    PKM_TRY(task->body(task->user));
    *seconds = (double)(pkm_clock_ns() - start_ns) * 1e-9;
    return PKM_OK;
}

/* round -1 warms caches, pages and clocks; its seconds are forgotten. */
static pkm_status run_task(pkm_measure *measure, int index, int64_t round)
{
    timed_task *timed = measure->tasks[index];
    const pkm_task *task = &timed->task;
    double seconds = 0;

    if (task->body != NULL)
        PKM_TRY(time_task(&seconds, measure, task));
    else if (task->told != NULL)
        seconds = task->told(task->user);
    for (int i = 0; i < PKM_TASK_PARTS && round >= 0; i++)
        if (task->terms[i].sign != 0)
            seconds += task->terms[i].sign * measure->tasks[task->terms[i].task]->seconds[round];
    if (round >= 0)
        timed->seconds[round] = seconds > 0 ? seconds : 0; /* a difference may be below */
    return PKM_OK;
}

/* Tasks from `first` on that belong together: ceilings and the work behind them. */
static int group_length(const pkm_measure *measure, int first)
{
    int last = first;

    while (measure->tasks[last]->task.ceiling && last + 1 < measure->n_tasks)
        last++;
    return last - first + 1;
}

static pkm_status run_round(pkm_measure *measure, int64_t round)
{
    for (int first = 0, n; first < measure->n_tasks; first += n) {
        n = group_length(measure, first);
        for (int i = 0; i < n; i++)
            PKM_TRY(run_task(measure, first + (round % 2 == 0 ? i : (i + n - 1) % n), round));
    }
    return PKM_OK;
}

double pkm_measure_rate(const pkm_measure *measure, int ceiling)
{
    const pkm_bench_figure *figure = &measure->tasks[ceiling]->figure;
    double amount = figure->flops > 0 ? figure->flops : figure->bytes;

    return figure->median_s > 0 ? amount / figure->median_s : 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void pkm_bench_summarise(pkm_bench_figure *figure, double *seconds, int64_t runs)
{
    qsort(seconds, (size_t)runs, sizeof *seconds, compare_doubles);
    figure->runs = runs;
    figure->min_s = seconds[0];
    figure->median_s = (seconds[(runs - 1) / 2] + seconds[runs / 2]) / 2;
    figure->max_s = seconds[runs - 1];
}

static void summarise(const pkm_measure *measure, timed_task *timed)
{
    const pkm_task *task = &timed->task;

    timed->figure = (pkm_bench_figure){
        .name = task->name,
        .threads = threads_of(measure, task),
        .items = task->items,
        .unit = task->unit,
        .bytes = task->bytes,
        .flops = task->flops,
    };
    pkm_bench_summarise(&timed->figure, timed->seconds, measure->runs);
}

static void add_part(pkm_bench_figure *figure, const pkm_measure *measure,
                     const pkm_floor_part *part, double *longest)
{
    const pkm_bench_figure *ceiling = &measure->tasks[part->ceiling]->figure;
    double rate = pkm_measure_rate(measure, part->ceiling);
    double seconds = rate > 0 ? part->amount / rate : 0;

    if (ceiling->flops > 0)
        figure->flops += part->amount;
    else
        figure->bytes += part->amount;
    figure->floor_s += seconds;
    if (seconds > *longest) {
        *longest = seconds;
        figure->ceiling = ceiling->name;
    }
}

/* Ceilings of ceilings stand first: their figures are there already. */
static void add_parts(const pkm_measure *measure, timed_task *timed)
{
    const pkm_task *task = &timed->task;
    double longest = 0;

    for (int i = 0; i < PKM_TASK_PARTS; i++)
        if (task->parts[i].amount > 0)
            add_part(&timed->figure, measure, &task->parts[i], &longest);
    if (task->parts_overlap)
        timed->figure.floor_s = longest;
}

pkm_status pkm_measure_run(pkm_measure *measure)
{
    pkm_status status = PKM_OK;

    for (int64_t round = -1; round < measure->runs && status == PKM_OK; round++)
        status = run_round(measure, round);
    (void)use_threads(measure->threads);
    PKM_TRY(status);
    for (int i = 0; i < measure->n_tasks; i++) {
        summarise(measure, measure->tasks[i]);
        add_parts(measure, measure->tasks[i]);
    }
    return PKM_OK;
}

void pkm_measure_report(const pkm_measure *measure, pkm_bench_sink sink, void *user)
{
    for (int i = 0; i < measure->n_tasks; i++)
        sink(&measure->tasks[i]->figure, user);
}

pkm_status pkm_measure_all(int64_t runs, pkm_measure_tasks add, void *what, pkm_bench_sink sink,
                           void *user)
{
    pkm_measure *measure;
    pkm_status status;

    PKM_TRY(pkm_measure_create(&measure, runs));
    status = add(measure, what);
    if (status == PKM_OK)
        status = pkm_measure_run(measure);
    if (status == PKM_OK)
        pkm_measure_report(measure, sink, user);
    pkm_measure_destroy(measure);
    return status;
}

int pkm_bench_threads(int out[2])
{
    out[0] = 1;
    out[1] = pkm_threads();
    return out[1] > 1 ? 2 : 1;
}
