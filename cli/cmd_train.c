/* SPDX-License-Identifier: Apache-2.0 */
/* pkm train: train a model on a data set, or go on with a run. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "input_file.h"
#include "report.h"
#include "stop.h"
#include "train_view.h"

enum { CONFIG_BYTES = 1 << 20 }; /* at most */

typedef struct train_options {
    const char *data, *out, *config, *init_from;
    bool resume, print_config, json;
    int verify; /* pkm_verify_level */
} train_options;

static const pkm_option rows[] = {
    {.name = "data",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(train_options, data),
     .min = 1,
     .unit = "DIR",
     .help = "data set made by pkm data"},
    {.name = "out",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(train_options, out),
     .min = 1,
     .unit = "RUN",
     .help = "folder for the run; it is a model for all other commands"},
    {.name = "config",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(train_options, config),
     .min = 1,
     .preset = "",
     .unit = "FILE",
     .help = "JSON file of the options below; the command line wins"},
    {.name = "resume",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(train_options, resume),
     .help = "go on with the run in --out, with its options where none are given; start it if "
             "there is none"},
    {.name = "init_from",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(train_options, init_from),
     .min = 1,
     .preset = "",
     .unit = "MODEL",
     .help = "start from the weights of another model"},
    {.name = "verify",
     .type = PKM_OPTION_CHOICE,
     .offset = offsetof(train_options, verify),
     .preset = "full",
     .choices = "full|quick|none",
     .help = "how much of the checkpoint to resume or start from is compared with its checksums: "
             "all, sizes and both ends of each file, or nothing"},
    {.name = "print_config",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(train_options, print_config),
     .help = "print the options as JSON for --config, and stop"},
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(train_options, json),
     .help = "print the result as JSON"},
};

const pkm_option_table cmd_train_options = CMD_OPTIONS(rows, train_options);

static int load_config(const cmd_input *input, const char *path)
{
    size_t bytes;
    char *text = input_read(input, path, CONFIG_BYTES, &bytes);
    pkm_status status;

    if (text == NULL)
        return CMD_FAILED;
    status = pkm_options_set_json(input->training, text, bytes, path, PKM_ORIGIN_FILE);
    free(text);
    return status == PKM_OK ? CMD_DONE : cmd_status(input, status);
}

static int print_config(const cmd_input *input)
{
    char *text;
    pkm_status status = pkm_options_json(input->training, &text);

    if (status != PKM_OK)
        return cmd_status(input, status);
    puts(text);
    pkm_text_free(text);
    return CMD_DONE;
}

/* The word as a shell reads it back. */
static void print_quoted(FILE *file, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";

    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        fputs(word, file);
        return;
    }
    fputc('\'', file);
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            fputs("'\\''", file);
        else
            fputc(*word, file);
    }
    fputc('\'', file);
}

static void print_resume_command(const cmd_input *input)
{
    const train_options *options = input->options;

    fputs("to go on:", stderr);
    for (int i = 0; i < input->argc; i++) {
        fputc(' ', stderr);
        print_quoted(stderr, input->argv[i]);
    }
    fputs(options->resume ? "\n" : " --resume\n", stderr);
}

/* Without an evaluation the loss is no number: null in JSON. */
static int print_result(const cmd_input *input, const pkm_train_result *result)
{
    const train_options *options = input->options;
    bool scored = isfinite(result->val_loss);

    if (options->json)
        return report_object(
            input,
            json_pack("{s:s, s:I, s:I, s:o, s:o}", "run", options->out, "step",
                      (json_int_t)result->step, "tokens", (json_int_t)result->tokens, "val_loss",
                      scored ? json_real(result->val_loss) : json_null(), "val_perplexity",
                      scored ? json_real(exp(result->val_loss)) : json_null()));
    printf("%s: step %" PRId64 ", %" PRId64 " tokens", options->out, result->step, result->tokens);
    if (scored)
        printf(", held-out loss %.4f, perplexity %.2f", result->val_loss, exp(result->val_loss));
    putchar('\n');
    return CMD_DONE;
}

static int train(const cmd_input *input)
{
    const train_options *options = input->options;
    const pkm_train_paths paths = {
        .data = options->data,
        .tokenizer = options->data,
        .out = options->out,
        .init_from = options->init_from[0] != '\0' ? options->init_from : NULL,
        .resume = options->resume,
        .verify = (pkm_verify_level)options->verify,
    };
    train_view view = {.bar.title = "train"};
    pkm_train_result result;
    pkm_status status;

    stop_catch();
    status = pkm_train(&result, &paths, input->training, train_view_show, &view);
    progress_end(&view.bar);
    if (status != PKM_OK) {
        int code = cmd_status(input, status);

        if (status == PKM_ERR_CANCELLED)
            print_resume_command(input);
        return code;
    }
    return print_result(input, &result);
}

/* An option of a memory that is not there would be ignored without a word. A run or a model to
 * start from may bring the memory. */
static bool check_memory_options(const cmd_input *input)
{
    const train_options *options = input->options;
    const pkm_train_options *training = pkm_options_values(input->training);
    const pkm_option_table *table = pkm_train_option_table();

    if (training->memory_layers.count > 0 || options->resume || options->init_from[0] != '\0' ||
        pkm_options_origin(input->training, "memory_layers") == PKM_ORIGIN_ARGS)
        return true;
    for (int i = 0; i < table->count; i++) {
        const pkm_option *row = &table->rows[i];
        char flag[64];

        if (strcmp(row->group, "Memory") != 0 ||
            pkm_options_origin(input->training, row->name) != PKM_ORIGIN_ARGS)
            continue;
        pkm_option_flag(flag, sizeof flag, row);
        cmd_usage(input, "%s does nothing without --memory-layers: give both or neither", flag);
        return false;
    }
    return true;
}

int cmd_train(const cmd_input *input)
{
    const train_options *options = input->options;

    if (options->config[0] != '\0') {
        int code = load_config(input, options->config);

        if (code != CMD_DONE)
            return code;
    }
    if (options->print_config)
        return print_config(input);
    return cmd_check_required(input) && check_memory_options(input) ? train(input) : CMD_USAGE;
}
