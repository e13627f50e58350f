/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a list such as "replace|add": how enumerations are written in options and in files. */
#ifndef PKM_BASE_CHOICE_H
#define PKM_BASE_CHOICE_H

#include <stddef.h>

/* Index of name in choices; -1: none. */
int pkm_choice_index(const char *choices, const char *name);

/* Start of word `index`, which must exist; *length = its bytes. */
const char *pkm_choice_word(const char *choices, int index, size_t *length);

#endif
