/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections: config.json, then model.safetensors. What loads as a model computes logits, mapped or
 * read alike, and is described; what is refused is refused by both.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pkm/model.h"
#include "pkm/options.h"

enum { ROWS = 2, VOCAB_MAX = 1 << 16 };

/* Logits of ids 0 and the last one; NULL if they cannot be computed. */
static float *logits_of(pkm_model *model)
{
    int64_t vocab = pkm_model_vocab_size(model);
    int32_t ids[ROWS] = {0, (int32_t)(vocab - 1)};
    int64_t rows = pkm_model_seq_len(model) < ROWS ? 1 : ROWS;
    float *logits = vocab <= VOCAB_MAX ? calloc((size_t)(vocab * ROWS), sizeof *logits) : NULL;

    if (logits != NULL && fuzz_ok(pkm_model_logits(model, logits, ids, rows)))
        return logits;
    free(logits);
    return NULL;
}

static void compute(pkm_model *mapped)
{
    pkm_model_options read_it = {.precision = -1, .no_mmap = true};
    size_t bytes = (size_t)pkm_model_vocab_size(mapped) * ROWS * sizeof(float);
    float *one = logits_of(mapped), *two;
    pkm_model *read;

    if (fuzz_must(pkm_model_load(&read, fuzz_path(""), &read_it))) {
        two = logits_of(read);
        if (!fuzz_starved())
            fuzz_check((one == NULL) == (two == NULL) &&
                           (one == NULL || memcmp(one, two, bytes) == 0),
                       "mapped and read weights give the same logits");
        free(two);
        pkm_model_destroy(read);
    }
    free(one);
}

static void run(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size}, config = fuzz_section(&in);
    pkm_model *model;
    char *json;
    pkm_status status;
    bool described;

    fuzz_write("config.json", config.data, config.size);
    fuzz_write("model.safetensors", in.data, in.size);
    described = fuzz_ok(pkm_model_inspect(fuzz_path(""), &json));
    if (described)
        pkm_text_free(json);
    status = pkm_model_load(&model, fuzz_path(""), NULL);
    if (!fuzz_ok(status)) {
        fuzz_check(!described || status == PKM_ERR_NUMERIC || fuzz_starved(),
                   "what is described loads, unless a weight is not finite");
        return;
    }
    fuzz_check(described || fuzz_starved(), "what loads is described");
    fuzz_loaded();
    compute(model);
    pkm_model_destroy(model);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 2048, .constant = 8 << 20};
