/* SPDX-License-Identifier: Apache-2.0 */
/* pkm data: files and folders to shards of token ids. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "output_folder.h"
#include "progress.h"
#include "stop.h"

typedef struct data_options {
    const char *tokenizer, *out;
    double val_fraction;
    int64_t shard_tokens;
    bool json;
} data_options;

static const pkm_option rows[] = {
    {.name = "tokenizer",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(data_options, tokenizer),
     .min = 1,
     .unit = "DIR",
     .help = "folder with a tokenizer.json, or that file"},
    {.name = "out",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(data_options, out),
     .min = 1,
     .unit = "DIR",
     .help = "folder for the data set"},
    {.name = "val_fraction",
     .type = PKM_OPTION_REAL,
     .offset = offsetof(data_options, val_fraction),
     .max = 0.5,
     .preset = "0.01",
     .help = "share of the documents held out for evaluation"},
    {.name = "shard_tokens",
     .type = PKM_OPTION_INT,
     .offset = offsetof(data_options, shard_tokens),
     .min = 1,
     .max = 2147483647,
     .preset = "100M",
     .unit = "tokens",
     .help = "size of a shard at most"},
    {.name = "json",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(data_options, json),
     .help = "print the summary as JSON"},
};

const pkm_option_table cmd_data_options = CMD_OPTIONS(rows, data_options);

static void print_summary(const pkm_data_summary *summary, bool json)
{
    const struct {
        const char *name, *words;
        int64_t count;
    } lines[] = {
        {"documents", "documents", summary->documents},
        {"duplicates", "exact duplicates dropped", summary->duplicates},
        {"binary_files", "binary files skipped", summary->binary_files},
        {"unreadable_files", "unreadable files skipped", summary->unreadable_files},
        {"train_tokens", "training tokens", summary->train_tokens},
        {"train_bytes", "training bytes", (int64_t)summary->train_bytes},
        {"val_tokens", "held-out tokens", summary->val_tokens},
        {"val_bytes", "held-out bytes", (int64_t)summary->val_bytes},
    };
    int n_lines = (int)(sizeof lines / sizeof lines[0]);

    for (int i = 0; i < n_lines; i++)
        if (json)
            printf("%s\"%s\": %" PRId64 "%s", i == 0 ? "{" : " ", lines[i].name, lines[i].count,
                   i + 1 == n_lines ? "}\n" : ",");
        else
            printf("%-26s%" PRId64 "\n", lines[i].words, lines[i].count);
}

int cmd_data(const cmd_input *input)
{
    const data_options *options = input->options;
    progress bar = {.title = "data"};
    pkm_data_config config = {
        .val_fraction = options->val_fraction,
        .shard_tokens = options->shard_tokens,
        .progress = progress_phase,
        .user = &bar,
    };
    pkm_data_summary summary;
    pkm_tokenizer *tokenizer;
    pkm_status status;

    if (!output_folder_check(input, options->out))
        return CMD_FAILED;
    status = pkm_tokenizer_load(&tokenizer, options->tokenizer);
    if (status != PKM_OK)
        return cmd_status(input, status);
    stop_catch();
    status =
        pkm_data_prepare(&summary, options->out, tokenizer, input->args, input->n_args, &config);
    progress_end(&bar);
    if (status == PKM_OK)
        print_summary(&summary, options->json);
    pkm_tokenizer_destroy(tokenizer);
    return status == PKM_OK ? CMD_DONE : cmd_status(input, status);
}
