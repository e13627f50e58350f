/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as training options in JSON: whatever was taken is in its range and survives JSON. */
#include "train_set.h"

static void run(const uint8_t *data, size_t size)
{
    pkm_option_set *set = train_set_create();

    if (set == NULL)
        return;
    (void)fuzz_ok(pkm_options_set_json(set, (const char *)data, size, "options", PKM_ORIGIN_FILE));
    fuzz_loaded();
    train_set_check(set);
    pkm_options_destroy(set);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 32 << 10};
