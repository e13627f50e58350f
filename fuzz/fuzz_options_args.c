/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as the arguments of a command line with training options: whatever was taken is in its
 * range and survives JSON; words that are no option come out in order, and none is lost. */
#include <stdlib.h>

#include "train_set.h"

enum { ARGS_MAX = 64 };

/* Cuts text into lines. */
static int split_lines(char *text, char *args[ARGS_MAX])
{
    int count = 0;
    char *rest = text, *line;

    while (count < ARGS_MAX && (line = strsep(&rest, "\n")) != NULL)
        args[count++] = line;
    return count;
}

static void run(const uint8_t *data, size_t size)
{
    pkm_option_set *set = train_set_create();
    char *text = calloc(1, size + 1), *args[ARGS_MAX];
    const char *words[ARGS_MAX];
    int n_args, n_words;

    fuzz_check(text != NULL, "there is memory for the arguments");
    memcpy(text, data, size);
    n_args = split_lines(text, args);
    if (set != NULL) {
        if (fuzz_ok(pkm_options_parse_args(&set, 1, n_args, args, words, &n_words))) {
            fuzz_check(n_words >= 0 && n_words <= n_args, "no more words than arguments");
            for (int i = 0; i < n_words; i++)
                fuzz_check(words[i] >= text && words[i] <= text + size, "a word is an argument");
        }
        fuzz_loaded();
        train_set_check(set);
    }
    pkm_options_destroy(set);
    free(text);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 32 << 10};
