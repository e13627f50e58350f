/* SPDX-License-Identifier: Apache-2.0 */
/* pkm completion bash|zsh|fish: scripts for a shell, from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

/* "n-keys", or "no-echo" for a bool that is on. */
static void print_name(const pkm_option *row)
{
    char flag[64];

    pkm_option_flag(flag, sizeof flag, row);
    fputs(flag + 2, stdout);
}

static void print_choices(const char *choices)
{
    for (const char *c = choices; *c != '\0'; c++)
        putchar(*c == '|' ? ' ' : *c);
}

/* help inside single quotes of a shell; characters in `special` get a backslash. */
static void print_help_text(const char *help, const char *special)
{
    for (const char *c = help; *c != '\0'; c++) {
        if (*c == '\'')
            fputs("'\\''", stdout);
        else
            printf(strchr(special, *c) != NULL ? "\\%c" : "%c", *c);
    }
}

/* What a shell can offer: choices, names of files, or nothing. */
static bool is_file(const pkm_option *row)
{
    return (row->type == PKM_OPTION_STRING || row->type == PKM_OPTION_TEXTS) &&
           strcmp(pkm_option_operand(row), "TEXT") != 0;
}

/* The arguments of a command, where they are words to choose from: "bash|zsh|fish". */
static const char *argument_choices(const cmd *command)
{
    return command->args != NULL && strchr(command->args, '|') != NULL ? command->args : NULL;
}

static bool takes_files(const cmd *command)
{
    return command->args != NULL && argument_choices(command) == NULL && command->run != cmd_help;
}

typedef void (*option_printer)(const cmd *command, const pkm_option *row);

static void each_option(const cmd *command, option_printer print)
{
    const pkm_option_table *tables[CMD_TABLES];
    int n = cmd_tables(command, tables);

    for (int t = 0; t < n && command->run != cmd_group; t++)
        for (int i = 0; i < tables[t]->count; i++)
            print(command, &tables[t]->rows[i]);
}

/* Calls print for every command. */
static void each_command(void (*print)(const cmd *command))
{
    int count;
    const cmd *all = cmd_all(&count);

    for (int i = 0; i < count; i++)
        print(&all[i]);
}

static void print_first_word(const cmd *command)
{
    if (strchr(command->name, ' ') == NULL)
        printf("%s ", command->name);
}

static void bash_flag(const cmd *command, const pkm_option *row)
{
    (void)command;
    fputs(" --", stdout);
    print_name(row);
}

/* An arm of a case; a later one that fits too is taken instead, as by the commands of a group. */
static void bash_command(const cmd *command)
{
    printf("    '%s '*) files=%s words='", command->name, takes_files(command) ? "yes" : "");
    if (argument_choices(command) != NULL)
        print_choices(argument_choices(command));
    else if (command->run == cmd_help)
        each_command(print_first_word);
    printf("' options='");
    each_option(command, bash_flag);
    printf("' ;;&\n");
}

static void bash_value(const cmd *command, const pkm_option *row)
{
    if (row->type == PKM_OPTION_BOOL)
        return;
    printf("    '%s '*'--", command->name);
    print_name(row);
    printf(" ') value=yes files=%s words='", is_file(row) ? "yes" : "");
    if (row->type == PKM_OPTION_CHOICE)
        print_choices(row->choices);
    printf("' ;;&\n");
}

static void bash_values(const cmd *command)
{
    each_option(command, bash_value);
}

static void print_bash(void)
{
    printf("# bash completion of pkm; load it with: source <(pkm completion bash)\n"
           "_pkm() {\n"
           "  local word=${COMP_WORDS[COMP_CWORD]} options='' words='' files='' value=''\n"
           "  local before=\"${COMP_WORDS[*]:1:COMP_CWORD-1} \"\n"
           "  if [[ $word == = ]]; then word=''; else before=${before%%= }; fi\n"
           "  case \"$before\" in\n    ' ') words='");
    each_command(print_first_word);
    printf("' ;;&\n");
    each_command(bash_command);
    each_command(bash_values);
    printf("  esac\n"
           "  [[ $word != -* || -n $value ]] || words=$options\n"
           "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "  [[ -n $files ]] || compopt +o default 2>/dev/null\n"
           "}\n"
           "complete -o default -F _pkm pkm\n");
}

static void zsh_option(const cmd *command, const pkm_option *row)
{
    (void)command;
    printf(" '*--");
    print_name(row);
    printf(row->type == PKM_OPTION_BOOL ? "[" : "=[");
    print_help_text(row->help, "[]:");
    putchar(']');
    if (row->type == PKM_OPTION_CHOICE) {
        printf(":%s:(", row->name);
        print_choices(row->choices);
        putchar(')');
    } else if (row->type != PKM_OPTION_BOOL) {
        printf(":%s:%s", row->name, is_file(row) ? "_files" : " ");
    }
    putchar('\'');
}

static void zsh_command(const cmd *command)
{
    int n_words = strchr(command->name, ' ') != NULL ? 2 : 1;

    printf("    '%s '*) shift %d words; ((CURRENT -= %d)); _arguments", command->name, n_words,
           n_words);
    each_option(command, zsh_option);
    if (argument_choices(command) != NULL) {
        printf(" '*:word:(");
        print_choices(argument_choices(command));
        printf(")'");
    } else if (command->run == cmd_help) {
        printf(" '*:command:(");
        each_command(print_first_word);
        printf(")'");
    } else if (takes_files(command)) {
        printf(" '*:file:_files'");
    }
    printf(" ;;\n");
}

/* Commands of two words before their group's: the first arm that fits is taken. */
static void zsh_commands(bool two_words)
{
    int count;
    const cmd *all = cmd_all(&count);

    for (int i = 0; i < count; i++)
        if ((strchr(all[i].name, ' ') != NULL) == two_words)
            zsh_command(&all[i]);
}

static void print_zsh(void)
{
    printf("#compdef pkm\n"
           "# zsh completion of pkm; load it with: source <(pkm completion zsh)\n"
           "_pkm() {\n"
           "  local before=\"${(j: :)words[2,CURRENT-1]} \"\n"
           "  case \"$before\" in\n    ' ') compadd ");
    each_command(print_first_word);
    printf(";;\n");
    zsh_commands(true);
    zsh_commands(false);
    printf("  esac\n}\n"
           "if [[ $funcstack[1] == _pkm ]]; then _pkm \"$@\"; else compdef _pkm pkm; fi\n");
}

static void fish_option(const cmd *command, const pkm_option *row)
{
    printf("complete -c pkm -n '__pkm_after %s' -l ", command->name);
    print_name(row);
    printf(" -d '");
    print_help_text(row->help, "");
    putchar('\'');
    if (row->type == PKM_OPTION_CHOICE) {
        printf(" -x -a '");
        print_choices(row->choices);
        putchar('\'');
    } else if (row->type != PKM_OPTION_BOOL) {
        printf(is_file(row) ? " -r -F" : " -x");
    }
    putchar('\n');
}

/* A command is offered where its first words have been typed, and nothing more. */
static void fish_command(const cmd *command)
{
    const char *blank = strchr(command->name, ' ');

    printf("complete -c pkm -n '__pkm_is \"%.*s\"' -a '%s' -d '%s'\n",
           blank != NULL ? (int)(blank - command->name) : 0, command->name,
           blank != NULL ? blank + 1 : command->name, command->summary);
    if (takes_files(command))
        printf("complete -c pkm -n '__pkm_after %s' -F\n", command->name);
    if (argument_choices(command) != NULL && command->run != cmd_group) {
        printf("complete -c pkm -n '__pkm_is \"%s\"' -a '", command->name);
        print_choices(argument_choices(command));
        printf("'\n");
    } else if (command->run == cmd_help) {
        printf("complete -c pkm -n '__pkm_is help' -a '");
        each_command(print_first_word);
        printf("'\n");
    }
    each_option(command, fish_option);
}

static void print_fish(void)
{
    printf("# fish completion of pkm; load it with: pkm completion fish | source\n"
           "function __pkm_is\n"
           "  set -l words (commandline -opc)\n"
           "  test \"$words[2..]\" = \"$argv\"\n"
           "end\n"
           "function __pkm_after\n"
           "  set -l words (commandline -opc)\n"
           "  string match -q -- \"$argv *\" \"$words[2..] \"\n"
           "end\n"
           "complete -c pkm -f\n");
    each_command(fish_command);
}

int cmd_completion(const cmd_input *input)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(input->args[0], shells[i].shell) == 0) {
            shells[i].print();
            return CMD_DONE;
        }
    }
    return cmd_usage(input, "unknown shell '%s': expected bash, zsh or fish", input->args[0]);
}
