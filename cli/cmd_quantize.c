/* SPDX-License-Identifier: Apache-2.0 */
/* pkm quantize: a model in fewer bits, and what that costs in perplexity. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "output_folder.h"
#include "report.h"
#include "score.h"
#include "stop.h"

typedef struct quantize_options {
    const char *model, *out, *data;
    pkm_text_list text;
    int64_t max_tokens;
    int weights, values; /* index into DTYPES */
    bool json;
} quantize_options;

#define DTYPES "int8|bf16"
static const pkm_dtype dtypes[] = {PKM_I8, PKM_BF16};

static const pkm_option rows[] = {
    {.name = "model",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(quantize_options, model),
     .min = 1,
     .unit = "MODEL",
     .help = "model, run or checkpoint folder"},
    {.name = "out",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(quantize_options, out),
     .min = 1,
     .unit = "DIR",
     .help = "folder to make"},
    {.name = "weights",
     .type = PKM_OPTION_CHOICE,
     .offset = offsetof(quantize_options, weights),
     .preset = "int8",
     .choices = DTYPES,
     .help = "of products and the token embedding; int8: with a scale per row"},
    {.name = "values",
     .type = PKM_OPTION_CHOICE,
     .offset = offsetof(quantize_options, values),
     .preset = "int8",
     .choices = DTYPES,
     .help = "of memories' value tables; int8: with a scale per row"},
    {.name = "data",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(quantize_options, data),
     .min = 1,
     .preset = "",
     .unit = "DIR",
     .help = "data set whose held-out side both models are scored on"},
    {.name = "text",
     .type = PKM_OPTION_TEXTS,
     .offset = offsetof(quantize_options, text),
     .min = 1,
     .unit = "FILE",
     .help = "text file to score both models on, in place of a data set"},
    {.name = "max_tokens",
     .type = PKM_OPTION_INT,
     .offset = offsetof(quantize_options, max_tokens),
     .max = 9007199254740992.0,
     .preset = "0",
     .unit = "tokens",
     .help = "of a data set, how much is read; 0: all"},
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(quantize_options, json),
     .help = "print as JSON"},
};

const pkm_option_table cmd_quantize_options = CMD_OPTIONS(rows, quantize_options);

/* What is told of the two models. */
typedef struct outcome {
    pkm_quantize_result sizes;
    bool scored;
    pkm_eval_result before, after;
} outcome;

static pkm_status score(pkm_eval_result *out, const char *dir, const quantize_options *options)
{
    const score_source source = {options->data, options->max_tokens, options->text.value,
                                 (int)options->text.count}; /* <= PKM_LIST_MAX */
    progress bar = {.title = "quantize"};
    pkm_model *model;
    pkm_status status = pkm_model_load(&model, dir, NULL);

    if (status == PKM_OK) {
        status = score_run(model, out, &source, &bar);
        pkm_model_destroy(model);
    }
    return status;
}

static pkm_status quantize(outcome *out, const quantize_options *options)
{
    const pkm_quantize_config config = {dtypes[options->weights], dtypes[options->values]};
    pkm_status status = PKM_OK;

    out->scored = options->data[0] != '\0' || options->text.count > 0;
    if (out->scored)
        status = score(&out->before, options->model, options);
    if (status == PKM_OK)
        status = pkm_model_quantize(options->model, options->out, &config, &out->sizes);
    if (status == PKM_OK && out->scored)
        status = score(&out->after, options->out, options);
    return status;
}

static json_t *score_json(const outcome *out, const pkm_eval_result *result)
{
    return out->scored ? json_pack("{s:f, s:f, s:I}", "loss", result->loss, "perplexity",
                                   result->perplexity, "tokens", (json_int_t)result->tokens)
                       : json_null();
}

static int show(const cmd_input *input, const outcome *out)
{
    const quantize_options *options = input->options;
    const pkm_quantize_result *sizes = &out->sizes;

    if (options->json)
        return report_object(input, json_pack("{s:I, s:I, s:o, s:o}", "bytes_before",
                                              (json_int_t)sizes->bytes_before, "bytes_after",
                                              (json_int_t)sizes->bytes_after, "before",
                                              score_json(out, &out->before), "after",
                                              score_json(out, &out->after)));
    printf("bytes         %" PRId64 " -> %" PRId64 "\n", sizes->bytes_before, sizes->bytes_after);
    if (out->scored)
        printf("loss          %.6f -> %.6f\nperplexity    %.4f -> %.4f\n", out->before.loss,
               out->after.loss, out->before.perplexity, out->after.perplexity);
    return CMD_DONE;
}

int cmd_quantize(const cmd_input *input)
{
    const quantize_options *options = input->options;
    bool data = options->data[0] != '\0', text = options->text.count > 0;
    outcome out = {0};
    pkm_status status;
    int code;

    if (data && text)
        return cmd_usage(input, "give either --data DIR or --text FILE, or neither");
    if (!data && options->max_tokens > 0)
        return cmd_usage(input, "--max-tokens goes with --data: files of --text are read whole");
    if (!output_folder_check(input, options->out))
        return CMD_FAILED;
    stop_catch();
    status = quantize(&out, options);
    code = status == PKM_OK ? show(input, &out) : cmd_status(input, status);
    pkm_eval_result_release(&out.before);
    pkm_eval_result_release(&out.after);
    return code;
}
