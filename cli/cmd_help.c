/* SPDX-License-Identifier: Apache-2.0 */
/* pkm help, pkm version and --help, from the tables. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "man_page.h"

typedef struct help_options {
    bool man, list;
} help_options;

static const pkm_option rows[] = {
    {.name = "man",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(help_options, man),
     .help = "print the manual page, for man -l -"},
    {.name = "list",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(help_options, list),
     .help = "print the names of all commands, one a line"},
};

const pkm_option_table cmd_help_options = CMD_OPTIONS(rows, help_options);

static void print_line(const char *line, void *user)
{
    (void)user;
    puts(line);
}

/* The commands of a group; NULL: those of one word. */
static void print_commands(const char *group)
{
    int count;
    const cmd *all = cmd_all(&count);

    for (int i = 0; i < count; i++)
        if (group != NULL ? cmd_belongs_to(&all[i], group) : strchr(all[i].name, ' ') == NULL)
            printf("  %-17s %s\n", all[i].name, all[i].summary);
}

void cmd_print_help(const cmd *command)
{
    const pkm_option_table *tables[CMD_TABLES];
    int n = cmd_tables(command, tables);

    printf("usage: pkm %s%s%s%s\n%s\n", command->name,
           command->run == cmd_group ? "" : " [options]", command->args != NULL ? " " : "",
           command->args != NULL ? command->args : "", command->summary);
    if (command->run == cmd_group) {
        putchar('\n');
        print_commands(command->name);
        return;
    }
    for (int i = 0; i < n; i++)
        pkm_options_help(tables[i], print_line, NULL);
    if (command->training)
        printf("\nEach option of Model, Memory, Training and Running is also read from the\n"
               "environment (PKM_N_KEYS)%s; the command line wins.\n",
               command->run == cmd_train ? "\nand from the JSON file of --config (n_keys)" : "");
}

void cmd_print_overview(void)
{
    puts("pkm: language models with large product-key memory layers, on ordinary CPUs\n\n"
         "usage: pkm COMMAND [options]; pkm COMMAND --help\n");
    print_commands(NULL);
    puts("\n  pkm demo\n"
         "  pkm train --data DATA --out RUN --memory-layers 2 --tokens 10M\n"
         "\nResults go to standard output, everything else to standard error. Exit codes:");
    for (const cmd_exit_code *code = cmd_exit_codes; code->code != NULL; code++)
        printf("  %-4s %s\n", code->code, code->meaning);
}

/* The name nearest to word: of the commands of a group without it, or of those of one word. */
static const char *nearest(const char *word, const char *group)
{
    const char *names[64];
    int count, n_names = 0;
    const cmd *all = cmd_all(&count);

    for (int i = 0; i < count && n_names < 64; i++) {
        if (group != NULL && cmd_belongs_to(&all[i], group))
            names[n_names++] = strchr(all[i].name, ' ') + 1;
        else if (group == NULL && strchr(all[i].name, ' ') == NULL)
            names[n_names++] = all[i].name;
    }
    return pkm_suggest(word, names, n_names);
}

int cmd_unknown(const char *word)
{
    const char *meant = nearest(word, NULL);

    if (meant != NULL)
        (void)cmd_fail(NULL, "unknown command '%s': did you mean '%s'?", word, meant);
    else
        (void)cmd_fail(NULL, "unknown command '%s': see 'pkm help'", word);
    return CMD_USAGE;
}

int cmd_group(const cmd_input *input)
{
    const char *meant;

    if (input->n_args == 0)
        return cmd_usage(input, "expected one of %s", input->cmd->args);
    meant = nearest(input->args[0], input->cmd->name);
    if (meant != NULL)
        return cmd_usage(input, "unknown command '%s': did you mean '%s'?", input->args[0], meant);
    return cmd_usage(input, "unknown command '%s': expected one of %s", input->args[0],
                     input->cmd->args);
}

static int list_commands(const cmd_input *input)
{
    int count;
    const cmd *all = cmd_all(&count);

    if (input->n_args > 0)
        return cmd_usage(input, "unexpected argument '%s'", input->args[0]);
    for (int i = 0; i < count; i++)
        puts(all[i].name);
    return CMD_DONE;
}

int cmd_help(const cmd_input *input)
{
    const help_options *options = input->options;
    const cmd *command = NULL;
    int used = 0;

    if (options->list)
        return list_commands(input);
    if (input->n_args > 0) {
        command = cmd_find(input->n_args, (char *const *)input->args, &used);
        if (command == NULL)
            return cmd_unknown(input->args[0]);
        if (used < input->n_args)
            return cmd_usage(input, "unexpected argument '%s'", input->args[used]);
    }
    if (options->man)
        man_page_print(command);
    else if (command == NULL)
        cmd_print_overview();
    else
        cmd_print_help(command);
    return CMD_DONE;
}

int cmd_version(const cmd_input *input)
{
    (void)input;
    printf("pkm %s\n", pkm_version());
    return CMD_DONE;
}
