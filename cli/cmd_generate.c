/* SPDX-License-Identifier: Apache-2.0 */
/* pkm generate: prompt and continuation on stdout, as they come. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "input_file.h"
#include "model_file.h"
#include "stop.h"

typedef struct generate_options {
    const char *model, *prompt;
    int64_t tokens, top_k, seed;
    double temperature, top_p;
    pkm_text_list stop;
    model_choice loading;
    bool echo;
} generate_options;

static const pkm_option rows[] = {
    {.name = "model",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(generate_options, model),
     .min = 1,
     .unit = "MODEL",
     .help = "model, run or checkpoint folder"},
    {.name = "prompt",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(generate_options, prompt),
     .unit = "TEXT",
     .help = "what to continue; -: standard input; none: a new document"},
    {.name = "tokens",
     .type = PKM_OPTION_INT,
     .offset = offsetof(generate_options, tokens),
     .max = 1e9,
     .preset = "128",
     .unit = "tokens",
     .help = "generated at most"},
    {.name = "temperature",
     .type = PKM_OPTION_REAL,
     .offset = offsetof(generate_options, temperature),
     .max = 100,
     .preset = "0.8",
     .help = "0: always the most likely token"},
    {.name = "top_k",
     .type = PKM_OPTION_INT,
     .offset = offsetof(generate_options, top_k),
     .max = 1e9,
     .preset = "0",
     .help = "choose among the k most likely tokens; 0: off"},
    {.name = "top_p",
     .type = PKM_OPTION_REAL,
     .offset = offsetof(generate_options, top_p),
     .max = 1,
     .preset = "0.95",
     .help = "choose among the most likely tokens that hold this probability; 1: off"},
    {.name = "seed",
     .type = PKM_OPTION_INT,
     .offset = offsetof(generate_options, seed),
     .max = 9007199254740992.0,
     .preset = "1",
     .help = "the same seed gives the same text"},
    {.name = "stop",
     .type = PKM_OPTION_TEXTS,
     .offset = offsetof(generate_options, stop),
     .min = 1,
     .unit = "TEXT",
     .help = "end before this text"},
    {.name = "echo",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(generate_options, echo),
     .preset = "true",
     .help = "print the continuation alone, without the prompt"},
    MODEL_ROWS(generate_options, loading),
};

const pkm_option_table cmd_generate_options = CMD_OPTIONS(rows, generate_options);

/* Ends generation when a signal asked to or nobody reads any more. */
static int print_text(const char *text, size_t bytes, void *user)
{
    char *last = user;

    if (fwrite(text, 1, bytes, stdout) != bytes || fflush(stdout) != 0)
        return 1;
    if (bytes > 0)
        *last = text[bytes - 1];
    return stop_signal();
}

static pkm_status generate(pkm_model *model, const generate_options *options, const char *prompt,
                           size_t prompt_bytes)
{
    const pkm_generate_config config = {
        .max_tokens = options->tokens,
        .temperature = options->temperature,
        .top_k = options->top_k,
        .top_p = options->top_p,
        .seed = (uint64_t)options->seed,
        .stop = options->stop.value,
        .n_stop = (int)options->stop.count,
    };
    char last = '\n';
    pkm_status status = PKM_OK;

    if (options->echo && print_text(prompt, prompt_bytes, &last) != 0)
        return PKM_OK;
    status = pkm_model_generate(model, prompt, prompt_bytes, &config, print_text, &last, NULL);
    if (last != '\n')
        putchar('\n');
    return status;
}

int cmd_generate(const cmd_input *input)
{
    const generate_options *options = input->options;
    bool piped = strcmp(options->prompt, "-") == 0;
    size_t bytes = strlen(options->prompt);
    char *read = piped ? input_read(input, NULL, &bytes) : NULL;
    pkm_model *model;
    pkm_status status;

    if (piped && read == NULL)
        return CMD_FAILED;
    status = model_open(&model, options->model, &options->loading);
    if (status == PKM_OK) {
        stop_catch();
        status = generate(model, options, piped ? read : options->prompt, bytes);
        pkm_model_destroy(model);
    }
    free(read);
    if (status != PKM_OK)
        return cmd_status(input, status);
    return stop_signal() == 0 ? CMD_DONE : 128 + stop_signal();
}
