/* SPDX-License-Identifier: Apache-2.0 */
#include "base/choice.h"

#include <string.h>

int pkm_choice_index(const char *choices, const char *name)
{
    size_t length = strlen(name);

    for (int index = 0;; index++) {
        size_t span = strcspn(choices, "|");

        if (span == length && memcmp(choices, name, length) == 0)
            return index;
        if (choices[span] == '\0')
            return -1;
        choices += span + 1;
    }
}

const char *pkm_choice_word(const char *choices, int index, size_t *length)
{
    for (; index > 0; index--)
        choices += strcspn(choices, "|") + 1;
    *length = strcspn(choices, "|");
    return choices;
}
