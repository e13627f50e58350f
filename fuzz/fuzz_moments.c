/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the optim.safetensors of a checkpoint: what loads into a model is finite or refused
 * by the check behind it, and saved and loaded again it is the same file. */
#include "tiny_model.h"
#include "train/moments.h"

enum { VOCAB = 3 };

static pkm_gpt *create(void)
{
    pkm_gpt_config config = tiny_model_config(VOCAB, true);
    pkm_gpt *gpt;

    config.layers = 1;
    config.memory_layers.value[0] = 0;
    config.memory.n_keys = 2;
    return fuzz_must(pkm_gpt_create(&gpt, &config, true)) ? gpt : NULL;
}

static void run(const uint8_t *data, size_t size)
{
    pkm_gpt *gpt = create(), *again = gpt != NULL ? create() : NULL;

    fuzz_write("optim.safetensors", data, size);
    if (again != NULL && fuzz_ok(pkm_moments_load(gpt, fuzz_path("")))) {
        (void)fuzz_ok(pkm_moments_check(gpt));
        if (fuzz_must(pkm_moments_save(fuzz_path(""), gpt)) &&
            fuzz_must(pkm_moments_load(again, fuzz_path(""))) &&
            fuzz_must(pkm_directory_create(fuzz_path("twice"))) &&
            fuzz_must(pkm_moments_save(fuzz_path("twice"), again)))
            fuzz_check(fuzz_same("optim.safetensors", "twice/optim.safetensors"),
                       "saved moments load equal");
    }
    pkm_gpt_destroy(gpt);
    pkm_gpt_destroy(again);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 2048, .constant = 8 << 20};
