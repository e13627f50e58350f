/* SPDX-License-Identifier: Apache-2.0 */
/* pkm generate: prompt and continuation on stdout, as they come. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "input_file.h"
#include "model_file.h"
#include "report.h"
#include "stop.h"

enum { PROMPT_BYTES = 1 << 28 }; /* at most, from standard input */

typedef struct generate_options {
    const char *model, *prompt;
    int64_t tokens, top_k, seed;
    double temperature, top_p;
    pkm_text_list stop;
    model_choice loading;
    bool echo, json;
} generate_options;

typedef struct typed_text {
    const char *text;
    size_t bytes;
} typed_text;

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
    MODEL_ROWS(offsetof(generate_options, loading)),
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(generate_options, json),
     .help = "print prompt and continuation as JSON, at the end"},
};

const pkm_option_table cmd_generate_options = CMD_OPTIONS(rows, generate_options);

/* Where the text goes: standard output, or a buffer for JSON. */
typedef struct text_sink {
    FILE *file;
    char last; /* character written */
} text_sink;

/* Ends generation when a signal asked to or nobody reads any more. */
static int write_text(const char *text, size_t bytes, void *user)
{
    text_sink *sink = user;

    if (fwrite(text, 1, bytes, sink->file) != bytes || fflush(sink->file) != 0)
        return 1;
    if (bytes > 0)
        sink->last = text[bytes - 1];
    return stop_signal();
}

static pkm_status generate(pkm_model *model, const cmd_input *input, const typed_text *prompt,
                           text_sink *sink, int64_t *n_generated)
{
    const generate_options *options = input->options;
    const pkm_generate_config config = {
        .max_tokens = options->tokens,
        .temperature = options->temperature,
        .top_k = options->top_k,
        .top_p = options->top_p,
        .seed = (uint64_t)options->seed,
        .stop = options->stop.value,
        .n_stop = (int)options->stop.count, /* <= PKM_LIST_MAX */
    };

    return pkm_model_generate(model, prompt->text, prompt->bytes, &config, write_text, sink,
                              n_generated);
}

static pkm_status print_text(pkm_model *model, const cmd_input *input, const typed_text *prompt)
{
    const generate_options *options = input->options;
    text_sink sink = {.file = stdout, .last = '\n'};
    pkm_status status;

    if (options->echo && write_text(prompt->text, prompt->bytes, &sink) != 0)
        return PKM_OK;
    status = generate(model, input, prompt, &sink, NULL);
    if (sink.last != '\n')
        putchar('\n');
    return status;
}

static int print_json(pkm_model *model, const cmd_input *input, const typed_text *prompt)
{
    char *text = NULL;
    size_t bytes = 0;
    text_sink sink = {.file = open_memstream(&text, &bytes)};
    int64_t n_generated;
    pkm_status status;
    int code;

    if (sink.file == NULL)
        return cmd_no_memory(input);
    status = generate(model, input, prompt, &sink, &n_generated);
    if (fclose(sink.file) != 0)
        code = cmd_no_memory(input);
    else if (status != PKM_OK)
        code = cmd_status(input, status);
    else
        code = report_object(input,
                             json_pack("{s:s%, s:s%, s:I}", "prompt", prompt->text, prompt->bytes,
                                       "text", text, bytes, "tokens", (json_int_t)n_generated));
    free(text);
    return code;
}

static int continue_prompt(const cmd_input *input, const typed_text *prompt)
{
    const generate_options *options = input->options;
    pkm_model *model;
    pkm_status status = model_open(&model, options->model, &options->loading);
    int code;

    if (status != PKM_OK)
        return cmd_status(input, status);
    stop_catch();
    if (options->json) {
        code = print_json(model, input, prompt);
    } else {
        status = print_text(model, input, prompt);
        code = status == PKM_OK ? CMD_DONE : cmd_status(input, status);
    }
    pkm_model_destroy(model);
    return code == CMD_DONE && stop_signal() != 0 ? 128 + stop_signal() : code;
}

int cmd_generate(const cmd_input *input)
{
    const generate_options *options = input->options;
    typed_text prompt = {options->prompt, strlen(options->prompt)};
    char *read = NULL;
    int code;

    if (strcmp(options->prompt, "-") == 0) {
        read = input_read(input, NULL, PROMPT_BYTES, &prompt.bytes);
        if (read == NULL)
            return CMD_FAILED;
        prompt.text = read;
    }
    code = continue_prompt(input, &prompt);
    free(read);
    return code;
}
