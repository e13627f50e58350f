/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subcommand of pkm: one file, cmd_<name>.c, with its option rows and its run function, and one
 * row of the table in main.c; parsing, --help and completion follow from these. Results go to
 * stdout, everything else to stderr.
 */
#ifndef PKM_CLI_CMD_H
#define PKM_CLI_CMD_H

#include <stdbool.h>

#include "bench.h"
#include "pkm/pkm.h"

/* Exit codes, a class each of what went wrong; a stop by a signal is 128 + its number (130, 143).
 */
enum { CMD_DONE = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_NO_ROOM = 3, CMD_DIVERGED = 4 };

/* What the codes mean, for help and manual pages; ends with a NULL code. */
typedef struct cmd_exit_code {
    const char *code, *meaning;
} cmd_exit_code;
extern const cmd_exit_code cmd_exit_codes[];

/* What a run function gets: its options parsed and checked. */
typedef struct cmd_input {
    const struct cmd *cmd;
    const void *options;      /* struct of cmd->options */
    pkm_option_set *own;      /* the same with the origin of each value */
    pkm_option_set *training; /* the library's options of training, if cmd->training */
    pkm_option_set *bench;    /* the benchmark's options, if cmd->bench */
    const char *const *args;  /* [n_args], what is no option */
    int n_args;
    int64_t threads; /* --threads of a command without cmd->training */
    int argc;        /* the command line as typed */
    char **argv;
} cmd_input;

typedef struct cmd {
    const char *name;    /* "train", "tokenizer train" */
    const char *summary; /* for lists of commands */
    const char *about;   /* a paragraph for its manual page; NULL: the summary says it */
    const char *args;    /* "PATH...", "[FILE]"; NULL: none */
    int min_args, max_args;
    const pkm_option_table *options; /* NULL: none of its own */
    int (*run)(const cmd_input *input);
    bool training;          /* takes the library's options of training too */
    const pkm_bench *bench; /* the benchmark of a "bench ..." command, whose options it takes */
} cmd;

enum { CMD_ANY_ARGS = 1 << 30, CMD_TABLES = 4 };

/* A table of options from its rows. */
#define CMD_OPTIONS(rows, type)                                                                    \
    {                                                                                              \
        (rows), (int)(sizeof(rows) / sizeof(rows)[0]), sizeof(type)                                \
    }

/* All commands, in the order of help. */
const cmd *cmd_all(int *count);
/* The command whose name is the first one or two of the words; *used = words taken. */
const cmd *cmd_find(int n_words, char *const *words, int *used);
/* Whether command is "<group> <word>". */
bool cmd_belongs_to(const cmd *command, const char *group);
/* The tables a command's options come from; returns their number. */
int cmd_tables(const cmd *command, const pkm_option_table *out[CMD_TABLES]);

/* False, after a message, when an option whose text may not be empty was not given; called before
 * a run function, but by cmd_train itself, which needs no such option to print its options. */
bool cmd_check_required(const cmd_input *input);

/* "pkm train: sentence", "pkm: sentence" for a NULL input; for wrong usage with a word on where
 * help is found; both return the exit code. */
int cmd_fail(const cmd_input *input, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cmd_usage(const cmd_input *input, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int cmd_no_memory(const cmd_input *input);
/* The library's message; returns the exit code of its status. */
int cmd_status(const cmd_input *input, pkm_status status);

void cmd_print_help(const cmd *command);
void cmd_print_overview(void);
/* Says that word names no command and what was meant perhaps; returns the exit code. */
int cmd_unknown(const char *word);
/* Runs "tokenizer" and "bench", which are nothing without a second word. */
int cmd_group(const cmd_input *input);

int cmd_bench(const cmd_input *input);
int cmd_completion(const cmd_input *input);
int cmd_data(const cmd_input *input);
int cmd_demo(const cmd_input *input);
int cmd_eval(const cmd_input *input);
int cmd_generate(const cmd_input *input);
int cmd_help(const cmd_input *input);
int cmd_info(const cmd_input *input);
int cmd_inspect(const cmd_input *input);
int cmd_plot(const cmd_input *input);
int cmd_quantize(const cmd_input *input);
int cmd_report(const cmd_input *input);
int cmd_tokenizer_decode(const cmd_input *input);
int cmd_tokenizer_encode(const cmd_input *input);
int cmd_tokenizer_train(const cmd_input *input);
int cmd_train(const cmd_input *input);
int cmd_verify(const cmd_input *input);
int cmd_version(const cmd_input *input);

extern const pkm_option_table cmd_bench_options;
extern const pkm_option_table cmd_data_options;
extern const pkm_option_table cmd_demo_options;
extern const pkm_option_table cmd_eval_options;
extern const pkm_option_table cmd_generate_options;
extern const pkm_option_table cmd_help_options;
extern const pkm_option_table cmd_info_options;
extern const pkm_option_table cmd_inspect_options;
extern const pkm_option_table cmd_plot_options;
extern const pkm_option_table cmd_quantize_options;
extern const pkm_option_table cmd_report_options;
extern const pkm_option_table cmd_tokenizer_codec_options;
extern const pkm_option_table cmd_tokenizer_train_options;
extern const pkm_option_table cmd_train_options;
extern const pkm_option_table cmd_verify_options;

#endif
