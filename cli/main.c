/* SPDX-License-Identifier: Apache-2.0 */
/* pkm: the table of commands and the way from a command line to a run function. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_error.h"
#include "cmd.h"
#include "streams.h"
#include "wait_policy.h"

/*
 * A new command: cmd_<name>.c with its rows and its run function, both declared in cmd.h; its row
 * here; its test in tests/cli/.
 */
static const cmd commands[] = {
    {
        .name = "info",
        .summary = "what this build is and what it chose on this machine",
        .run = cmd_info,
        .options = &cmd_info_options,
    },
    {
        .name = "tokenizer",
        .summary = "learn a vocabulary; text to token ids and back",
        .run = cmd_group,
        .args = "train|encode|decode",
        .max_args = CMD_ANY_ARGS,
    },
    {
        .name = "tokenizer train",
        .summary = "learn a vocabulary from files and folders",
        .about = "Learns a byte-level BPE vocabulary and writes it to tokenizer.json in Hugging "
                 "Face's format. Folders are read with all files below them; binary files are "
                 "skipped. The same files give the same vocabulary, for any number of threads.",
        .run = cmd_tokenizer_train,
        .args = "PATH...",
        .min_args = 1,
        .max_args = CMD_ANY_ARGS,
        .options = &cmd_tokenizer_train_options,
    },
    {
        .name = "tokenizer encode",
        .summary = "text to token ids",
        .about = "Writes the ids of the text, separated by blanks, on one line. Without a file, or "
                 "with -, it reads standard input.",
        .run = cmd_tokenizer_encode,
        .args = "[FILE]",
        .max_args = 1,
        .options = &cmd_tokenizer_codec_options,
    },
    {
        .name = "tokenizer decode",
        .summary = "token ids to text",
        .about = "Writes the bytes that the ids stand for. Without a file, or with -, it reads "
                 "standard input.",
        .run = cmd_tokenizer_decode,
        .args = "[FILE]",
        .max_args = 1,
        .options = &cmd_tokenizer_codec_options,
    },
    {
        .name = "data",
        .summary = "files and folders to a data set of token ids",
        .about = "Writes the documents as shards of token ids, one side to train on and one held "
                 "out for evaluation. Each file is a document; exact duplicates count once, binary "
                 "and unreadable files are skipped and counted. The set appears in --out when it "
                 "is whole.",
        .run = cmd_data,
        .args = "PATH...",
        .min_args = 1,
        .max_args = CMD_ANY_ARGS,
        .options = &cmd_data_options,
    },
    {
        .name = "train",
        .summary = "train a model, with or without memories",
        .about = "Trains a model on a data set and keeps its checkpoints in a run folder, which is "
                 "a model for all other commands. Ctrl-C finishes the step, saves and stops; the "
                 "same command with --resume goes on to the same weights, bit for bit. The memory "
                 "and disk a run needs are told before it starts, and what does not fit is "
                 "refused.",
        .run = cmd_train,
        .options = &cmd_train_options,
        .training = true,
    },
    {
        .name = "eval",
        .summary = "loss, perplexity, bits per byte and memory usage",
        .about = "Scores the held-out side of a data set, or text files as one text, each token "
                 "seen with what precedes it.",
        .run = cmd_eval,
        .args = "[FILE...]",
        .max_args = CMD_ANY_ARGS,
        .options = &cmd_eval_options,
    },
    {
        .name = "generate",
        .summary = "continue a text",
        .about = "Writes the prompt and its continuation. The same model, prompt and seed give the "
                 "same text.",
        .run = cmd_generate,
        .options = &cmd_generate_options,
    },
    {
        .name = "inspect",
        .summary = "parameters and memories of a model; what a text reads",
        .about = "Reads the headers of a model folder, not its weights. With --text it runs the "
                 "model over a text and tells which slots of its memories each token reads, and "
                 "which tokens read a slot most: the most telling slots as text, all of it as "
                 "JSON, or as a page to explore in a browser.",
        .run = cmd_inspect,
        .args = "MODEL",
        .min_args = 1,
        .max_args = 1,
        .options = &cmd_inspect_options,
    },
    {
        .name = "plot",
        .summary = "curves of one or more runs as a picture",
        .about = "Draws training loss and held-out perplexity of the runs and, of their memories, "
                 "which share of the slots is read, which was ever the best of a read, KL from "
                 "uniform use, and the mass of the slots, sorted. Runs may still be in training.",
        .run = cmd_plot,
        .args = "RUN...",
        .min_args = 1,
        .max_args = CMD_ANY_ARGS,
        .options = &cmd_plot_options,
    },
    {
        .name = "report",
        .summary = "a page on all runs below a folder: table, curves, settings",
        .about = "Writes one HTML page that needs no other file: of each run the settings that not "
                 "all share and the final figures, the curves of pkm plot, and all settings. "
                 "Runs are the folders below DIR with a metrics.jsonl.",
        .run = cmd_report,
        .args = "DIR",
        .min_args = 1,
        .max_args = 1,
        .options = &cmd_report_options,
    },
    {
        .name = "quantize",
        .summary = "a model in fewer bits, to score and generate with",
        .about =
            "Writes the model with int8 or bf16 weights and values to a new folder. With --data "
            "or --text both models are scored, and the loss in perplexity is told. The result "
            "can be neither trained nor quantised again.",
        .run = cmd_quantize,
        .options = &cmd_quantize_options,
    },
    {
        .name = "verify",
        .summary = "whether runs, models, data sets and tokenizers are whole",
        .run = cmd_verify,
        .args = "PATH...",
        .min_args = 1,
        .max_args = CMD_ANY_ARGS,
        .options = &cmd_verify_options,
    },
    {
        .name = "bench",
        .summary = "speed of this machine with this build",
        .run = cmd_group,
        .args = "ceilings|search|layer|train|score|decode|tokenize|kernels",
        .max_args = CMD_ANY_ARGS,
    },
    {
        .name = "bench ceilings",
        .summary = "what bounds the rest: memory, products, arithmetic",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .bench = &pkm_bench_ceilings,
    },
    {
        .name = "bench search",
        .summary = "product-key search alone",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .bench = &pkm_bench_search,
    },
    {
        .name = "bench layer",
        .summary = "a memory layer: forward, backward, step",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .bench = &pkm_bench_layer,
    },
    {
        .name = "bench train",
        .summary = "a training step of a whole model, and its profile",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .training = true,
        .bench = &pkm_bench_train,
    },
    {
        .name = "bench score",
        .summary = "scoring tokens with a whole model",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .training = true,
        .bench = &pkm_bench_score,
    },
    {
        .name = "bench decode",
        .summary = "one sequence, token by token",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .training = true,
        .bench = &pkm_bench_decode,
    },
    {
        .name = "bench tokenize",
        .summary = "encoding text, and learning a vocabulary",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .bench = &pkm_bench_tokenize,
    },
    {
        .name = "bench kernels",
        .summary = "each kernel at each level of this processor",
        .run = cmd_bench,
        .options = &cmd_bench_options,
        .bench = &pkm_bench_kernels,
    },
    {
        .name = "demo",
        .summary = "the whole story on real text, in about two minutes",
        .about = "Makes a tokenizer and a data set of PATH (/usr/include if none is given), trains "
                 "two models of equal depth on the same tokens, one of them with a memory, scores "
                 "both on the held-out side and lets the better one write.",
        .run = cmd_demo,
        .args = "[PATH]",
        .max_args = 1,
        .options = &cmd_demo_options,
    },
    {
        .name = "completion",
        .summary = "completion script for a shell",
        .about = "Prints a script for the shell, which completes commands, options and their "
                 "choices. bash: source <(pkm completion bash); zsh: source <(pkm completion zsh); "
                 "fish: pkm completion fish | source.",
        .run = cmd_completion,
        .args = "bash|zsh|fish",
        .min_args = 1,
        .max_args = 1,
    },
    {
        .name = "help",
        .summary = "help on a command",
        .run = cmd_help,
        .args = "[COMMAND]",
        .max_args = 2,
        .options = &cmd_help_options,
    },
    {
        .name = "version",
        .summary = "the version",
        .run = cmd_version,
    },
};

typedef struct common_options {
    int64_t threads;
    bool help;
} common_options;

/* --threads comes first so that commands with the training options can leave it out. */
static const pkm_option common_rows[] = {
    {.name = "threads",
     .type = PKM_OPTION_INT,
     .offset = offsetof(common_options, threads),
     .max = 1024,
     .preset = "0",
     .group = "Common",
     .help = "threads; 0: as many as this process may use"},
    {.name = "help",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(common_options, help),
     .group = "Common",
     .help = "print this help"},
};

static const pkm_option_table common_table = CMD_OPTIONS(common_rows, common_options);
static const pkm_option_table help_table = {common_rows + 1, 1, sizeof(common_options)};

const cmd *cmd_all(int *count)
{
    *count = (int)(sizeof commands / sizeof commands[0]);
    return commands;
}

static const cmd *find_name(const char *name)
{
    int count;
    const cmd *all = cmd_all(&count);

    for (int i = 0; i < count; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    return NULL;
}

const cmd *cmd_find(int n_words, char *const *words, int *used)
{
    char two[128] = "";
    const cmd *found;

    if (n_words > 1)
        snprintf(two, sizeof two, "%s %s", words[0], words[1]);
    found = find_name(two);
    *used = found != NULL ? 2 : 1;
    return found != NULL ? found : find_name(words[0]);
}

bool cmd_belongs_to(const cmd *command, const char *group)
{
    size_t length = strlen(group);

    return strncmp(command->name, group, length) == 0 && command->name[length] == ' ';
}

int cmd_tables(const cmd *command, const pkm_option_table *out[CMD_TABLES])
{
    int n = 0;

    if (command->options != NULL)
        out[n++] = command->options;
    if (command->training)
        out[n++] = pkm_train_option_table();
    if (command->bench != NULL)
        out[n++] = &command->bench->options;
    out[n++] = command->training ? &help_table : &common_table;
    return n;
}

bool cmd_check_required(const cmd_input *input)
{
    const pkm_option_table *table = input->cmd->options;

    for (int i = 0; table != NULL && i < table->count; i++) {
        const pkm_option *row = &table->rows[i];
        char flag[64];

        if (!pkm_option_required(row) ||
            (*(const char *const *)((const char *)input->options + row->offset))[0] != '\0')
            continue;
        pkm_option_flag(flag, sizeof flag, row);
        cmd_usage(input, "%s %s is missing: %s", flag, pkm_option_operand(row), row->help);
        return false;
    }
    return true;
}

static bool check_args(const cmd_input *input)
{
    const cmd *command = input->cmd;

    for (int i = 0; i < input->n_args; i++) {
        if (input->args[i][0] != '\0')
            continue;
        cmd_usage(input, "an argument is empty: expected %s",
                  command->args != NULL ? command->args : "options only");
        return false;
    }
    if (input->n_args < command->min_args)
        cmd_usage(input, "%s is missing", command->args);
    else if (input->n_args > command->max_args)
        cmd_usage(input, "unexpected argument '%s'", input->args[command->max_args]);
    else
        return true;
    return false;
}

/* Settings of the process before the command runs. PKM_ISA is read by the kernels, too late to
 * refuse a wrong one: asking for the report checks it. */
static pkm_status prepare_process(cmd_input *input, const common_options *common)
{
    char *report = NULL;
    pkm_status status = PKM_OK;

    input->threads = common->threads;
    if (!input->cmd->training)
        status = pkm_set_threads((int)input->threads);
    if (status == PKM_OK && getenv("PKM_ISA") != NULL)
        status = pkm_info_json(&report);
    pkm_text_free(report);
    return status;
}

/* sets[0..n) belong to the tables of the command; the last is the common one. */
static int run_with(cmd_input *input, pkm_option_set *const *sets, int n, int argc, char **argv)
{
    const char **args = calloc((size_t)input->argc, sizeof *args);
    pkm_status status;
    int code = CMD_USAGE;

    if (args == NULL)
        return cmd_no_memory(input);
    status = pkm_options_set_env(input->training != NULL ? input->training : sets[n - 1]);
    if (status == PKM_OK)
        status = pkm_options_parse_args(sets, n, argc, argv, args, &input->n_args);
    if (status == PKM_OK)
        status = prepare_process(input, pkm_options_values(sets[n - 1]));
    input->args = args;
    if (status == PKM_ERR_ARG)
        code = cmd_usage(input, "%s", pkm_last_error());
    else if (status != PKM_OK)
        code = cmd_status(input, status);
    else if (check_args(input) && (input->cmd->run == cmd_train || cmd_check_required(input)))
        code = input->cmd->run(input);
    free(args);
    return code;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || (i == 0 && strcmp(argv[i], "-h") == 0))
            return true;
    return false;
}

/* Gives each set its place in input, in the order of cmd_tables. */
static void bind(cmd_input *input, pkm_option_set *const *sets)
{
    const cmd *command = input->cmd;

    if (command->options != NULL) {
        input->own = *sets++;
        input->options = pkm_options_values(input->own);
    }
    if (command->training)
        input->training = *sets++;
    if (command->bench != NULL)
        input->bench = *sets;
}

static int run_command(cmd_input *input, int argc, char **argv)
{
    const pkm_option_table *tables[CMD_TABLES];
    pkm_option_set *sets[CMD_TABLES] = {NULL};
    int n = cmd_tables(input->cmd, tables), code;
    pkm_status status = PKM_OK;

    if (wants_help(argc, argv)) {
        cmd_print_help(input->cmd);
        return CMD_DONE;
    }
    for (int i = 0; i < n && status == PKM_OK; i++)
        status = pkm_options_create(&sets[i], tables[i]);
    if (status == PKM_OK) {
        bind(input, sets);
        code = run_with(input, sets, n, argc, argv);
    } else {
        code = cmd_status(input, status);
    }
    for (int i = 0; i < n; i++)
        pkm_options_destroy(sets[i]);
    return code;
}

int main(int argc, char **argv)
{
    cmd_input input = {.argc = argc, .argv = argv};
    int used = 0;

    streams_open();
    wait_policy_apply(argv);
    bus_error_catch();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cmd_print_overview();
        return streams_close(CMD_DONE);
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] += 2;
    input.cmd = cmd_find(argc - 1, argv + 1, &used);
    if (input.cmd == NULL)
        return cmd_unknown(argv[1]);
    return streams_close(run_command(&input, argc - 1 - used, argv + 1 + used));
}
