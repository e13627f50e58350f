/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the meta.json of a data set: what loads and is saved is the same file when it is
 * loaded and saved again. */
#include "fuzz.h"
#include "text/data_meta.h"

static void run(const uint8_t *data, size_t size)
{
    pkm_data_meta meta, again;

    fuzz_write("file", data, size);
    if (!fuzz_ok(pkm_data_meta_load(&meta, fuzz_path("file"))))
        return;
    fuzz_loaded();
    if (fuzz_must(pkm_data_meta_save(&meta, fuzz_path("once"))) &&
        fuzz_must(pkm_data_meta_load(&again, fuzz_path("once")))) {
        if (fuzz_must(pkm_data_meta_save(&again, fuzz_path("twice"))))
            fuzz_check(fuzz_same("once", "twice"), "a saved meta.json loads equal");
        pkm_data_meta_release(&again);
    }
    pkm_data_meta_release(&meta);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 32 << 10};
