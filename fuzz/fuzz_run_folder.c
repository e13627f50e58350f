/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections: the pointer checkpoints/last, then metrics.jsonl, beside a good model. The model is
 * described whatever the log says; the pointer leads to a checkpoint of the folder or nowhere.
 */
#include <string.h>

#include "pkm/model.h"
#include "pkm/options.h"
#include "tiny_model.h"

static void run(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size}, pointer = fuzz_section(&in);
    char *json;

    fuzz_write("last", pointer.data, pointer.size);
    fuzz_write("step-00000001/metrics.jsonl", in.data, in.size);
    if (fuzz_ok(pkm_model_inspect(fuzz_path("last"), &json))) {
        fuzz_check(pointer.size >= 13 && memcmp(pointer.data, "step-00000001", 13) == 0,
                   "a pointer leads to the checkpoint it names");
        pkm_text_free(json);
    }
    if (fuzz_must(pkm_model_inspect(fuzz_path("step-00000001"), &json)))
        pkm_text_free(json);
}

static void prepare(void)
{
    tiny_model_make("step-00000001", true);
}

const fuzz_target fuzz_this = {
    .prepare = prepare, .run = run, .per_byte = 2048, .constant = 4 << 20};
