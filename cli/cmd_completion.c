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

typedef void (*option_printer)(const cmd *command, const pkm_option *row);

static void each_option(const cmd *command, option_printer print)
{
    const pkm_option_table *tables[CMD_TABLES];
    int n = cmd_tables(command, tables);

    for (int t = 0; t < n; t++)
        for (int i = 0; i < tables[t]->count; i++)
            print(command, &tables[t]->rows[i]);
}

/* The second word of a command's name, NULL if there is none. */
static const char *second_word(const cmd *command)
{
    const char *blank = strchr(command->name, ' ');

    return blank != NULL ? blank + 1 : NULL;
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
    if (second_word(command) == NULL)
        printf("%s ", command->name);
}

static void bash_flag(const cmd *command, const pkm_option *row)
{
    (void)command;
    fputs(" --", stdout);
    print_name(row);
}

static void bash_options(const cmd *command)
{
    if (command->run == cmd_group)
        return;
    printf("    '%s '*) options='", command->name);
    each_option(command, bash_flag);
    printf("' ;;\n");
}

static void bash_choice(const cmd *command, const pkm_option *row)
{
    if (row->type != PKM_OPTION_CHOICE)
        return;
    printf("    '%s'*' --", command->name);
    print_name(row);
    printf("') COMPREPLY=($(compgen -W '");
    print_choices(row->choices);
    printf("' -- \"$word\")); return ;;\n");
}

static void bash_choices(const cmd *command)
{
    each_option(command, bash_choice);
}

static void bash_second_word(const cmd *command)
{
    const char *word = second_word(command);

    if (word != NULL)
        printf("    '%.*s') words=\"$words %s\" ;;&\n", (int)(word - command->name), command->name,
               word);
}

static void print_bash(void)
{
    printf("# bash completion of pkm; load it with: source <(pkm completion bash)\n"
           "_pkm() {\n"
           "  local word=${COMP_WORDS[COMP_CWORD]} options='' words=''\n"
           "  local before=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n"
           "  case \"$before\" in\n");
    each_command(bash_choices);
    printf("  esac\n  case \"$before \" in\n    ' ') words='");
    each_command(print_first_word);
    printf("' ;;\n");
    each_command(bash_second_word);
    printf("  esac\n  case \"$before \" in\n");
    each_command(bash_options);
    printf("  esac\n"
           "  if [[ $word == -* ]]; then words=$options; fi\n"
           "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "}\n"
           "complete -o default -F _pkm pkm\n");
}

static void zsh_option(const cmd *command, const pkm_option *row)
{
    (void)command;
    printf(" '*--");
    print_name(row);
    putchar('[');
    print_help_text(row->help, "[]:");
    putchar(']');
    if (row->type == PKM_OPTION_CHOICE) {
        printf(":%s:(", row->name);
        print_choices(row->choices);
        putchar(')');
    } else if (row->type != PKM_OPTION_BOOL) {
        printf(":%s:_files", row->name);
    }
    putchar('\'');
}

static void zsh_command(const cmd *command)
{
    if (command->run == cmd_group)
        return;
    printf("    '%s '*) _arguments", command->name);
    each_option(command, zsh_option);
    printf(" '*:file:_files' ;;\n");
}

static void zsh_second_word(const cmd *command)
{
    const char *word = second_word(command);

    if (word != NULL)
        printf("    '%.*s') compadd %s ;|\n", (int)(word - command->name), command->name, word);
}

static void print_zsh(void)
{
    printf("#compdef pkm\n"
           "# zsh completion of pkm; load it with: source <(pkm completion zsh)\n"
           "_pkm() {\n"
           "  local before=\"${(j: :)words[2,CURRENT-1]} \"\n"
           "  case \"$before\" in\n    ' ') compadd ");
    each_command(print_first_word);
    printf(";;\n  esac\n  case \"$before\" in\n");
    each_command(zsh_second_word);
    printf("  esac\n  case \"$before\" in\n");
    each_command(zsh_command);
    printf("  esac\n}\ncompdef _pkm pkm\n");
}

static void fish_option(const cmd *command, const pkm_option *row)
{
    printf("complete -c pkm -n 'string match -qr \"^pkm %s( |$)\" -- (commandline -pc)' -l '",
           command->name);
    print_name(row);
    printf("' -d '");
    print_help_text(row->help, "");
    putchar('\'');
    if (row->type == PKM_OPTION_CHOICE) {
        printf(" -x -a '");
        print_choices(row->choices);
        putchar('\'');
    } else if (row->type != PKM_OPTION_BOOL) {
        printf(" -r");
    }
    putchar('\n');
}

static void fish_command(const cmd *command)
{
    const char *word = second_word(command);

    if (word != NULL)
        printf("complete -c pkm -n '__fish_seen_subcommand_from %.*s' -f -a '%s' -d '%s'\n",
               (int)(word - command->name - 1), command->name, word, command->summary);
    else
        printf("complete -c pkm -n __fish_use_subcommand -f -a '%s' -d '%s'\n", command->name,
               command->summary);
    if (command->run != cmd_group)
        each_option(command, fish_option);
}

static void print_fish(void)
{
    printf("# fish completion of pkm; load it with: pkm completion fish | source\n");
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
