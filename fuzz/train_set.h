/* SPDX-License-Identifier: Apache-2.0 */
/* What the targets of training options share: a set, and the claim that it survives JSON. */
#ifndef PKM_FUZZ_TRAIN_SET_H
#define PKM_FUZZ_TRAIN_SET_H

#include <string.h>

#include "fuzz.h"
#include "pkm/options.h"
#include "pkm/train.h"

/* NULL if an allocation has failed. */
static inline pkm_option_set *train_set_create(void)
{
    pkm_option_set *set;

    return fuzz_must(pkm_options_create(&set, pkm_train_option_table())) ? set : NULL;
}

/* A new set reads the JSON of `set` and says the same. */
static inline void train_set_check(const pkm_option_set *set)
{
    pkm_option_set *again = train_set_create();
    char *json, *json_again;

    if (again != NULL && fuzz_must(pkm_options_json(set, &json))) {
        if (fuzz_must(
                pkm_options_set_json(again, json, strlen(json), "options", PKM_ORIGIN_FILE)) &&
            fuzz_must(pkm_options_json(again, &json_again))) {
            fuzz_check(strcmp(json, json_again) == 0, "options survive JSON");
            pkm_text_free(json_again);
        }
        pkm_text_free(json);
    }
    pkm_options_destroy(again);
}

#endif
