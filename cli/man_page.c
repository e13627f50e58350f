/* SPDX-License-Identifier: Apache-2.0 */
#include "man_page.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text that roff shows as it stands: hyphens to copy, no quotes that turn, no requests. */
static void print_text(const char *text)
{
    static const struct {
        char c;
        const char *roff;
    } escapes[] = {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}, {'^', "\\(ha"}, {'~', "\\(ti"}};

    if (*text == '.')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        const char *roff = NULL;

        for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
            if (*text == escapes[i].c)
                roff = escapes[i].roff;
        if (roff != NULL)
            fputs(roff, stdout);
        else
            putchar(*text);
    }
}

static void print_line(const char *text)
{
    print_text(text);
    putchar('\n');
}

/* "pkm-tokenizer-train", its hyphens written as `hyphen`. */
static void print_page_name(const cmd *command, const char *hyphen)
{
    printf("pkm");
    for (const char *c = command->name; *c != '\0'; c++) {
        if (c == command->name)
            fputs(hyphen, stdout);
        if (*c == ' ')
            fputs(hyphen, stdout);
        else
            putchar(*c);
    }
}

static void print_title(const cmd *command)
{
    printf(".TH PKM");
    for (const char *c = command != NULL ? command->name : ""; *c != '\0'; c++) {
        if (command != NULL && c == command->name)
            putchar('-');
        putchar(*c == ' ' ? '-' : toupper((unsigned char)*c));
    }
    printf(" 1 \"\" \"pkm %s\" \"User Commands\"\n", pkm_version());
}

static void print_option(const pkm_option *row)
{
    const char *operand = pkm_option_operand(row);
    char flag[64], text[PKM_OPTION_TEXT_BYTES];

    pkm_option_flag(flag, sizeof flag, row);
    pkm_option_text(text, sizeof text, row);
    printf(".TP\n\\fB");
    print_text(flag);
    printf("\\fR");
    if (operand[0] != '\0') {
        printf(" \\fI");
        print_text(operand);
        printf("\\fR");
    }
    putchar('\n');
    print_line(text);
}

static void print_options(const cmd *command)
{
    const pkm_option_table *tables[CMD_TABLES];
    const char *group = "";
    int n = cmd_tables(command, tables);

    puts(".SH OPTIONS");
    for (int t = 0; t < n; t++) {
        for (int i = 0; i < tables[t]->count; i++) {
            const pkm_option *row = &tables[t]->rows[i];

            if (row->group != NULL && strcmp(row->group, group) != 0)
                printf(".SS %s\n", row->group);
            group = row->group != NULL ? row->group : group;
            print_option(row);
        }
    }
}

/* The commands of a group, NULL for all but those of groups, each as a paragraph. */
static void print_commands(const cmd *group)
{
    int count;
    const cmd *all = cmd_all(&count);

    puts(".SH COMMANDS");
    for (int i = 0; i < count; i++) {
        if (group != NULL ? !cmd_belongs_to(&all[i], group->name)
                          : strchr(all[i].name, ' ') != NULL)
            continue;
        printf(".TP\n.BR ");
        print_page_name(&all[i], "\\-");
        puts(" (1)");
        print_line(all[i].summary);
    }
}

static void print_exit_status(void)
{
    puts(".SH EXIT STATUS");
    for (const cmd_exit_code *code = cmd_exit_codes; code->code != NULL; code++) {
        printf(".TP\n.B %s\n", code->code);
        print_line(code->meaning);
    }
}

static void print_variable(const char *name, const char *meaning)
{
    puts(".TP\n.B");
    print_line(name);
    print_line(meaning);
}

static void print_environment(const cmd *command)
{
    puts(".SH ENVIRONMENT");
    if (command == NULL || !command->training)
        print_variable("PKM_THREADS", "the default of --threads");
    else
        print_variable("PKM_LAYERS, PKM_N_KEYS, ...",
                       "an option of Model, Memory, Training and Running by its name");
    print_variable("PKM_ISA", "the highest instruction-set level to use, as pkm info names them");
    print_variable("NO_COLOR", "not empty: no line on the terminal is redrawn");
}

static void print_overview(void)
{
    print_title(NULL);
    puts(".SH NAME");
    print_line("pkm - language models with large product-key memory layers");
    puts(".SH SYNOPSIS\n.B pkm\n.I COMMAND\n[options]\n.SH DESCRIPTION");
    print_line(
        "pkm makes a tokenizer and a data set from files, trains GPT-2 models with or without");
    print_line("product-key memory layers on ordinary CPUs, evaluates them and generates text.");
    print_line("Results go to standard output, everything else to standard error.");
    puts(".PP");
    print_line("An option given twice counts once, the last one; texts (--stop, --text) add up.");
    print_commands(NULL);
    print_environment(NULL);
    print_exit_status();
}

void man_page_print(const cmd *command)
{
    if (command == NULL) {
        print_overview();
        return;
    }
    print_title(command);
    puts(".SH NAME");
    print_page_name(command, "\\-");
    printf(" \\- ");
    print_line(command->summary);
    printf(".SH SYNOPSIS\n.B pkm %s\n", command->name);
    if (command->run != cmd_group)
        puts("[options]");
    if (command->args != NULL)
        print_line(command->args);
    if (command->about != NULL) {
        puts(".SH DESCRIPTION");
        print_line(command->about);
    }
    if (command->run == cmd_group)
        print_commands(command);
    else
        print_options(command);
    print_environment(command);
    print_exit_status();
    puts(".SH SEE ALSO\n.BR pkm (1)");
}
