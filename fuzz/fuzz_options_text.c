/* SPDX-License-Identifier: Apache-2.0 */
/* Lines "name value" as training options typed one by one: whatever was taken is in its range and
 * survives JSON; a suggestion is one of the names; asking for an origin never fails. */
#include <stdlib.h>

#include "train_set.h"

static void suggest(const char *word)
{
    const pkm_option_table *table = pkm_train_option_table();
    const char *names[256], *found;
    int count = table->count < 256 ? table->count : 256;

    for (int i = 0; i < count; i++)
        names[i] = table->rows[i].name;
    found = pkm_suggest(word, names, count);
    for (int i = 0; i < count; i++)
        if (names[i] == found)
            return;
    fuzz_check(found == NULL, "a suggestion is one of the names");
}

static void run(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1), *rest = text, *line;
    pkm_option_set *set = train_set_create();

    fuzz_check(text != NULL, "there is memory for the text");
    memcpy(text, data, size);
    while (set != NULL && (line = strsep(&rest, "\n")) != NULL) {
        const char *name = strsep(&line, " ");

        (void)fuzz_ok(pkm_options_set_text(set, name, line != NULL ? line : "", PKM_ORIGIN_ENV));
        (void)pkm_options_origin(set, name);
        suggest(name);
    }
    fuzz_loaded();
    if (set != NULL)
        train_set_check(set);
    pkm_options_destroy(set);
    free(text);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 32 << 10};
