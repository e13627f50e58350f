/* SPDX-License-Identifier: Apache-2.0 */
/* pkm eval: loss, perplexity, bits per byte and memory usage on a data set or on text files. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "model_file.h"
#include "score.h"
#include "stop.h"

typedef struct eval_options {
    const char *model, *data;
    pkm_text_list text;
    int64_t max_tokens;
    model_choice loading;
    bool json;
} eval_options;

static const pkm_option rows[] = {
    {.name = "model",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(eval_options, model),
     .min = 1,
     .unit = "MODEL",
     .help = "model, run or checkpoint folder"},
    {.name = "data",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(eval_options, data),
     .min = 1,
     .preset = "",
     .unit = "DIR",
     .help = "data set; its held-out side is scored"},
    {.name = "text",
     .type = PKM_OPTION_TEXTS,
     .offset = offsetof(eval_options, text),
     .min = 1,
     .unit = "FILE...",
     .help = "text files, scored in place of a data set"},
    {.name = "max_tokens",
     .type = PKM_OPTION_INT,
     .offset = offsetof(eval_options, max_tokens),
     .max = 9007199254740992.0,
     .preset = "0",
     .unit = "tokens",
     .help = "of a data set, how much is read; 0: all"},
    MODEL_ROWS(offsetof(eval_options, loading)),
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(eval_options, json),
     .help = "print as JSON"},
};

const pkm_option_table cmd_eval_options = CMD_OPTIONS(rows, eval_options);

/* files: those of --text, then those that follow on the command line. */
static pkm_status score(const cmd_input *input, pkm_eval_result *result, const char *const *files,
                        int n_files)
{
    const eval_options *options = input->options;
    const score_source source = {options->data, options->max_tokens, files, n_files};
    progress bar = {.title = "eval"};
    pkm_model *model;
    pkm_status status = model_open(&model, options->model, &options->loading);

    if (status != PKM_OK)
        return status;
    status = score_run(model, result, &source, &bar);
    pkm_model_destroy(model);
    return status;
}

static void print_usage(const pkm_usage *usage)
{
    char head[16] = "all";

    if (usage->head < 0)
        printf("\nmemory of layer %d, %" PRId64 " slots\n"
               "  head     used    top-1     KL   KL(count)   Gini   top50   top90   top99\n",
               usage->layer, usage->slots);
    else
        snprintf(head, sizeof head, "%d", usage->head);
    printf("  %-4s  %5.1f %%  %5.1f %%  %6.3f  %9.3f  %5.3f  %4.1f %%  %4.1f %%  %4.1f %%\n", head,
           100 * usage->used, 100 * usage->top1_used, usage->kl, usage->kl_count, usage->gini,
           100 * usage->top50, 100 * usage->top90, 100 * usage->top99);
}

static void print_result(const pkm_eval_result *result)
{
    printf("loss            %.6f\n", result->loss);
    printf("perplexity      %.4f\n", result->perplexity);
    if (isfinite(result->bits_per_byte))
        printf("bits per byte   %.6f\n", result->bits_per_byte);
    printf("tokens          %" PRId64 "\n", result->tokens);
    printf("tokens/s        %.0f\n", result->tok_per_s);
    for (int i = 0; i < result->n_usage; i++)
        print_usage(&result->usage[i]);
}

static pkm_status show(const pkm_eval_result *result, bool as_json)
{
    char *text;
    pkm_status status;

    if (!as_json) {
        print_result(result);
        return PKM_OK;
    }
    status = pkm_eval_result_json(result, &text);
    if (status == PKM_OK) {
        puts(text);
        pkm_text_free(text);
    }
    return status;
}

int cmd_eval(const cmd_input *input)
{
    const eval_options *options = input->options;
    int n_options = (int)options->text.count; /* <= PKM_LIST_MAX */
    int n_files = n_options + input->n_args;
    bool data = options->data[0] != '\0';
    pkm_eval_result result;
    const char **files;
    pkm_status status;

    if (data == (n_options > 0))
        return cmd_usage(input, "give either --data DIR or --text FILE...");
    if (!data && options->max_tokens > 0)
        return cmd_usage(input, "--max-tokens goes with --data: files of --text are read whole");
    if (data && input->n_args > 0)
        return cmd_usage(input, "unexpected argument '%s'", input->args[0]);
    files = calloc((size_t)(data ? 1 : n_files), sizeof *files);
    if (files == NULL)
        return cmd_no_memory(input);
    memcpy(files, options->text.value, (size_t)n_options * sizeof *files);
    if (n_files > n_options)
        memcpy(files + n_options, input->args, (size_t)input->n_args * sizeof *files);
    stop_catch();
    status = score(input, &result, files, n_files);
    free(files);
    if (status == PKM_OK) {
        status = show(&result, options->json);
        pkm_eval_result_release(&result);
    }
    return status == PKM_OK ? CMD_DONE : cmd_status(input, status);
}
