/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tiny model, plain or with a memory, and calls of pkm/model.h with whatever sizes, ids, settings
 * and prompts: each is done or refused. Text is the same when asked for again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "pkm/inspect.h"
#include "tiny_model.h"

enum { CALLS_MAX = 6, IDS_MAX = 64, PROMPT_MAX = 64, GENERATE_MAX = 40 };

static int keep(const char *text, size_t bytes, void *user)
{
    return !fuzz_ok(pkm_strbuf_append(user, text, bytes));
}

static void try_logits(pkm_model *model, fuzz_input *in)
{
    int64_t n_tokens = fuzz_size(in);
    size_t rows = n_tokens > 0 && n_tokens <= TINY_SEQ ? (size_t)n_tokens : 0;
    float *logits = malloc(rows * TINY_VOCAB * sizeof *logits + 1);
    int32_t ids[TINY_SEQ];
    bool known = true;

    fuzz_check(logits != NULL, "there is memory for the logits");
    for (size_t i = 0; i < rows; i++) {
        ids[i] = (int32_t)fuzz_size(in);
        known = known && ids[i] >= 0 && ids[i] < TINY_VOCAB;
    }
    if (fuzz_ok(pkm_model_logits(model, logits, ids, n_tokens)))
        fuzz_check(known && n_tokens >= 0 && n_tokens <= TINY_SEQ,
                   "ids and sizes out of range are refused");
    free(logits);
}

static void try_generate(pkm_model *model, fuzz_input *in)
{
    char stop[4] = {(char)fuzz_number(in, 1), (char)fuzz_number(in, 1)}, prompt[PROMPT_MAX];
    const char *const stops[] = {stop};
    size_t prompt_bytes = (size_t)fuzz_up_to(in, PROMPT_MAX);
    pkm_generate_config config = {.max_tokens = fuzz_size(in) - 1,
                                  .temperature = (double)fuzz_size(in) / 8,
                                  .top_k = fuzz_size(in) - 1,
                                  .top_p = (double)fuzz_up_to(in, 40) / 32,
                                  .seed = fuzz_number(in, 2),
                                  .stop = stops,
                                  .n_stop = (int)fuzz_up_to(in, 1)};
    pkm_strbuf text = {0}, again = {0};
    int64_t n_generated;

    if (config.max_tokens > GENERATE_MAX)
        config.max_tokens = GENERATE_MAX;
    for (size_t i = 0; i < prompt_bytes; i++)
        prompt[i] = (char)fuzz_number(in, 1);
    if (fuzz_ok(
            pkm_model_generate(model, prompt, prompt_bytes, &config, keep, &text, &n_generated))) {
        fuzz_check(n_generated >= 0 && n_generated <= config.max_tokens,
                   "no more tokens than asked for");
        if (fuzz_must(
                pkm_model_generate(model, prompt, prompt_bytes, &config, keep, &again, NULL)) &&
            !fuzz_starved())
            fuzz_check(text.length == again.length &&
                           (text.length == 0 || memcmp(text.data, again.data, text.length) == 0),
                       "the same call gives the same text");
    }
    pkm_strbuf_release(&text);
    pkm_strbuf_release(&again);
}

/* What is read of a text, and how well it is predicted. */
static void try_text(pkm_model *model, fuzz_input *in)
{
    const pkm_inspect_text_config config = {.top = 2, .contexts = 2};
    const char *file = fuzz_path("text");
    pkm_eval_result result;
    char *json;

    fuzz_write("text", in->data, in->size);
    in->size = 0;
    if (fuzz_ok(pkm_model_inspect_text(model, &json, file, &config, NULL, NULL)))
        pkm_text_free(json);
    if (!fuzz_ok(pkm_model_eval_text(model, &result, &file, 1, NULL, NULL)))
        return;
    fuzz_check(result.tokens > 0, "a loss is that of some tokens");
    if (fuzz_must(pkm_eval_result_json(&result, &json)))
        pkm_text_free(json);
    pkm_eval_result_release(&result);
}

static void run(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    const char *folder = fuzz_up_to(&in, 1) != 0 ? "memory" : "plain";
    pkm_model_options options = {.precision = (int)fuzz_up_to(&in, 4) - 2,
                                 .no_mmap = fuzz_up_to(&in, 1) != 0};
    pkm_model *model;

    if (!fuzz_ok(pkm_model_load(&model, fuzz_path(folder), &options)))
        return;
    for (int i = 0; i < CALLS_MAX && in.size > 0; i++) {
        int64_t kind = fuzz_up_to(&in, 2);

        if (kind == 0)
            try_logits(model, &in);
        else if (kind == 1)
            try_generate(model, &in);
        else
            try_text(model, &in);
    }
    pkm_model_destroy(model);
}

static void prepare(void)
{
    tiny_model_make("plain", false);
    tiny_model_make("memory", true);
}

const fuzz_target fuzz_this = {
    .prepare = prepare, .run = run, .per_byte = 0, .constant = 64 << 20, .refuse = true};
