/* SPDX-License-Identifier: Apache-2.0 */
/* pkm bench NAME: runs one benchmark and prints its figures, as a table or as JSON lines. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"

typedef struct bench_options {
    bool json;
} bench_options;

static const pkm_option rows[] = {
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(bench_options, json),
     .help = "print a line of JSON per figure"},
};

const pkm_option_table cmd_bench_options = CMD_OPTIONS(rows, bench_options);

/* What the lines of one benchmark share. */
typedef struct bench_view {
    const char *bench;
    bool json;                /* a line of JSON per figure, not a table */
    char *machine;            /* JSON on one line, as are the following */
    char *options, *training; /* training NULL: the benchmark takes none */
    int figures;              /* printed */
} bench_view;

static double rate(double amount, const pkm_bench_figure *figure)
{
    return figure->median_s > 0 ? amount / figure->median_s : 0;
}

/* The share of the floor in the time it took; 0: there is no floor. */
static double reached(const pkm_bench_figure *figure)
{
    return figure->median_s > 0 ? figure->floor_s / figure->median_s : 0;
}

static void print_heading(void)
{
    printf("%-34s %3s %5s %10s %10s %10s %11s %9s %8s %9s %10s %7s  %s\n", "figure", "thr", "runs",
           "median ms", "min ms", "max ms", "items/s", "us/item", "GB/s", "GFLOP/s", "floor ms",
           "reached", "ceiling");
}

static void print_row(const pkm_bench_figure *figure)
{
    printf("%-34s %3d %5" PRId64 " %10.4f %10.4f %10.4f", figure->name, figure->threads,
           figure->runs, 1e3 * figure->median_s, 1e3 * figure->min_s, 1e3 * figure->max_s);
    printf(" %11.0f %9.4f %8.2f %9.2f", rate(figure->items, figure),
           figure->items > 0 ? 1e6 * figure->median_s / figure->items : 0,
           1e-9 * rate(figure->bytes, figure), 1e-9 * rate(figure->flops, figure));
    if (figure->ceiling != NULL)
        printf(" %10.4f %6.1f%%  %s", 1e3 * figure->floor_s, 100 * reached(figure),
               figure->ceiling);
    putchar('\n');
}

static void print_json(const bench_view *view, const pkm_bench_figure *figure)
{
    printf("{\"bench\": \"%s\", \"figure\": \"%s\", \"threads\": %d, \"runs\": %" PRId64
           ", \"median_s\": %.6g, \"min_s\": %.6g, \"max_s\": %.6g, ",
           view->bench, figure->name, figure->threads, figure->runs, figure->median_s,
           figure->min_s, figure->max_s);
    printf("\"items\": %.9g, \"unit\": \"%s\", \"items_per_s\": %.6g, \"bytes\": %.9g, "
           "\"flops\": %.9g, \"bytes_per_s\": %.6g, \"flop_per_s\": %.6g, ",
           figure->items, figure->unit != NULL ? figure->unit : "", rate(figure->items, figure),
           figure->bytes, figure->flops, rate(figure->bytes, figure), rate(figure->flops, figure));
    printf("\"floor_s\": %.6g, \"reached\": %.4g, \"ceiling\": \"%s\", \"options\": %s, ",
           figure->floor_s, reached(figure), figure->ceiling != NULL ? figure->ceiling : "",
           view->options);
    if (view->training != NULL)
        printf("\"training\": %s, ", view->training);
    printf("\"machine\": %s}\n", view->machine);
}

static void show_figure(const pkm_bench_figure *figure, void *user)
{
    bench_view *view = user;

    if (view->json) {
        print_json(view, figure);
    } else {
        if (view->figures++ == 0)
            print_heading();
        print_row(figure);
    }
    (void)fflush(stdout);
}

/* JSON has no line ends inside its strings, so that blanks may take their place. */
static void join_lines(char *json)
{
    for (char *c = json; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
}

static pkm_status load_context(bench_view *view, const cmd_input *input)
{
    pkm_status status = pkm_info_json(&view->machine);

    if (status == PKM_OK)
        status = pkm_options_json(input->bench, &view->options);
    if (status == PKM_OK && input->training != NULL)
        status = pkm_options_json(input->training, &view->training);
    if (status != PKM_OK)
        return status;
    join_lines(view->machine);
    join_lines(view->options);
    if (view->training != NULL)
        join_lines(view->training);
    return PKM_OK;
}

static pkm_status run(const cmd_input *input, bench_view *view)
{
    const pkm_bench *bench = input->cmd->bench;
    const void *values = pkm_options_values(input->bench);
    const pkm_train_options *training;

    if (input->training == NULL)
        return bench->run(values, show_figure, view);
    training = pkm_options_values(input->training);
    if (pkm_set_threads((int)training->threads) != PKM_OK)
        return PKM_ERR_ARG;
    return bench->run_training(values, training, show_figure, view);
}

int cmd_bench(const cmd_input *input)
{
    const bench_options *options = input->options;
    bench_view view = {.bench = input->cmd->bench->name, .json = options->json};
    pkm_status status = PKM_OK;

    if (view.json)
        status = load_context(&view, input);
    if (status == PKM_OK)
        status = run(input, &view);
    pkm_text_free(view.machine);
    pkm_text_free(view.options);
    pkm_text_free(view.training);
    return status == PKM_OK ? CMD_DONE : cmd_status(input, status);
}
