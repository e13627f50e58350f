/* SPDX-License-Identifier: Apache-2.0 */
/* pkm tokenizer train: learn a vocabulary from files and folders. */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "output_folder.h"
#include "progress.h"
#include "report.h"
#include "stop.h"

typedef struct train_options {
    int64_t vocab_size, max_bytes;
    const char *out;
    bool json;
} train_options;

static const pkm_option rows[] = {
    {.name = "vocab_size",
     .type = PKM_OPTION_INT,
     .offset = offsetof(train_options, vocab_size),
     .min = 257,
     .max = 1000000,
     .preset = "16384",
     .unit = "tokens",
     .help = "size of the vocabulary: 256 bytes, the merges and the end-of-text token"},
    {.name = "out",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(train_options, out),
     .min = 1,
     .unit = "DIR",
     .help = "folder for tokenizer.json"},
    {.name = "max_bytes",
     .type = PKM_OPTION_INT,
     .offset = offsetof(train_options, max_bytes),
     .max = 9007199254740992.0,
     .preset = "0",
     .unit = "bytes",
     .help = "text read at most; 0: all"},
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(train_options, json),
     .help = "print the result as JSON"},
};

const pkm_option_table cmd_tokenizer_train_options = CMD_OPTIONS(rows, train_options);

/* What models and data sets rest on is not replaced, and learning is not begun for nothing. */
static bool check_out(const cmd_input *input, const char *dir)
{
    char path[4096];

    if (!output_folder_check(input, dir))
        return false;
    if (snprintf(path, sizeof path, "%s/tokenizer.json", dir) < (int)sizeof path &&
        access(path, F_OK) != 0)
        return true;
    (void)cmd_fail(input, "%s exists: choose another folder, or remove it", path);
    return false;
}

static int print_result(const cmd_input *input, const pkm_tokenizer *tokenizer)
{
    const train_options *options = input->options;
    long long tokens = (long long)pkm_tokenizer_vocab_size(tokenizer);

    if (options->json)
        return report_object(input, json_pack("{s:s+, s:I, s:s}", "path", options->out,
                                              "/tokenizer.json", "tokens", (json_int_t)tokens,
                                              "hash", pkm_tokenizer_hash(tokenizer)));
    printf("%s/tokenizer.json: %lld tokens, hash %s\n", options->out, tokens,
           pkm_tokenizer_hash(tokenizer));
    return CMD_DONE;
}

int cmd_tokenizer_train(const cmd_input *input)
{
    const train_options *options = input->options;
    progress bar = {.title = "tokenizer"};
    pkm_tokenizer_train_config config = {
        .vocab_size = options->vocab_size,
        .max_bytes = (uint64_t)options->max_bytes,
        .progress = progress_phase,
        .user = &bar,
    };
    pkm_tokenizer *tokenizer = NULL;
    pkm_status status;
    int code = CMD_DONE;

    if (!check_out(input, options->out))
        return CMD_FAILED;
    stop_catch();
    status = pkm_tokenizer_train(&tokenizer, input->args, input->n_args, &config);
    progress_end(&bar);
    if (status == PKM_OK)
        status = pkm_tokenizer_save(tokenizer, options->out);
    if (status == PKM_OK)
        code = print_result(input, tokenizer);
    pkm_tokenizer_destroy(tokenizer);
    return status == PKM_OK ? code : cmd_status(input, status);
}
