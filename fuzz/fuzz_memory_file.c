/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the saved file of a memory layer: a layer that loads it computes, and saved and
 * loaded again it is the same file. */
#include <string.h>

#include "fuzz.h"
#include "pkm/memory.h"

enum { TOKENS = 3, DIM = 4 };

static pkm_memory *create(void)
{
    pkm_memory_config config = {
        .dim = DIM, .heads = 1, .n_keys = 2, .key_dim = 2, .topk = 2, .value_dim = 2};
    pkm_memory_options options;
    pkm_memory *memory;

    pkm_memory_options_init(&options);
    options.max_tokens = TOKENS;
    return fuzz_must(pkm_memory_create(&memory, &config, &options, NULL)) ? memory : NULL;
}

static void compute(pkm_memory *memory)
{
    static const float x[TOKENS * DIM] = {1, -2, 3, -4, 0, 0, 0, 0, 0.5F, 1e30F, -1e-30F, 7};
    float y[TOKENS * DIM], dx[TOKENS * DIM];

    if (fuzz_ok(pkm_memory_forward(memory, y, x, TOKENS, NULL, true)) &&
        fuzz_ok(pkm_memory_backward(memory, dx, x)))
        (void)fuzz_ok(pkm_memory_step(memory));
}

static void run(const uint8_t *data, size_t size)
{
    pkm_memory *memory = create(), *again = create();

    fuzz_write("file", data, size);
    if (memory != NULL && again != NULL && fuzz_ok(pkm_memory_load(memory, fuzz_path("file")))) {
        if (fuzz_must(pkm_memory_save(memory, fuzz_path("once"))) &&
            fuzz_must(pkm_memory_load(again, fuzz_path("once"))) &&
            fuzz_must(pkm_memory_save(again, fuzz_path("twice"))))
            fuzz_check(fuzz_same("once", "twice"), "a saved layer loads equal");
        compute(memory);
    }
    pkm_memory_destroy(memory);
    pkm_memory_destroy(again);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 1024, .constant = 8 << 20};
