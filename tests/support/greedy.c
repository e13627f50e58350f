/* SPDX-License-Identifier: Apache-2.0 */
#include "support/greedy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "models/model.h"
#include "support/check.h"

void greedy_train(const small_world *world, const char *run)
{
    const char *memory_layers = strcmp(run, "plain") == 0 ? "" : "1";
    const char *key_kind = strcmp(run, "flat") == 0 ? "flat" : "product";
    const char *const options[] = {
        "memory_layers", memory_layers, "key_kind",   key_kind, "seq_len",   "160",    "steps",
        "150",           "lr",          "0.01",       "key_lr", "0.01",      "warmup", "3",
        "dropout",       "0",           "eval_every", "0",      "precision", "f32",    NULL};

    check_ok(small_train(world, run, false, 0, options));
}

pkm_model *greedy_load(const small_world *world, const char *run, pkm_dtype precision)
{
    pkm_model_options options = {.precision = precision};
    char *dir = small_world_run(world, run);
    pkm_model *model = NULL;

    check_ok(pkm_model_load(&model, dir, &options));
    assert_int_equal(pkm_model_vocab_size(model), GREEDY_VOCAB);
    pkm_free(dir);
    return model;
}

int greedy_prompt(const pkm_model *model, int prompt, int32_t *ids)
{
    static const char *const prompts[GREEDY_PROMPTS] = {
        "memory ",
        "the row reads two ",
        "value a slot .\n search ",
        "layer writes and then finds the best ",
        "key query sum , of halves ",
        "memory query two halves .\n the row of a slot reads value writes and key finds then ",
    };
    int64_t n_ids;
    const int32_t *encoded;
    pkm_encoder *encoder;

    check_ok(pkm_encoder_create(&encoder, pkm_model_tokenizer(model)));
    check_ok(
        pkm_encoder_encode(encoder, &encoded, &n_ids, prompts[prompt], strlen(prompts[prompt])));
    assert_in_range(n_ids, 1, GREEDY_SEQ_LEN - GREEDY_TOKENS);
    memcpy(ids, encoded, (size_t)n_ids * sizeof *ids);
    pkm_encoder_destroy(encoder);
    return (int)n_ids;
}

int32_t greedy_best(const float *logits, float *lead)
{
    int32_t best = 0;
    float second = -1e30F;

    for (int32_t id = 1; id < GREEDY_VOCAB; id++) {
        if (logits[id] > logits[best]) {
            second = logits[best];
            best = id;
        } else if (logits[id] > second) {
            second = logits[id];
        }
    }
    *lead = logits[best] - second;
    return best;
}

void greedy_decode(pkm_model *model, int prompt, float *first, greedy_text *out)
{
    int32_t ids[GREEDY_SEQ_LEN];
    int count = greedy_prompt(model, prompt, ids);
    pkm_decoder *decoder;
    const float *logits;

    check_ok(pkm_decoder_create(&decoder, model->gpt));
    check_ok(pkm_decoder_feed(decoder, &logits, ids, count));
    if (first != NULL)
        memcpy(first, logits, GREEDY_VOCAB * sizeof *first);
    for (int i = 0; i < GREEDY_TOKENS; i++) {
        out->ids[i] = greedy_best(logits, &out->lead[i]);
        check_ok(pkm_decoder_feed(decoder, &logits, &out->ids[i], 1));
    }
    pkm_decoder_destroy(decoder);
}

int greedy_compare(const greedy_text *got, const greedy_text *want, double tolerance,
                   const char *label)
{
    for (int i = 0; i < GREEDY_TOKENS; i++) {
        if (got->ids[i] == want->ids[i])
            continue;
        if (want->lead[i] <= 2 * tolerance)
            return i;
        fail_msg("%s: token %d is %d, expected %d, which leads by %g", label, i, got->ids[i],
                 want->ids[i], (double)want->lead[i]);
    }
    return GREEDY_TOKENS;
}
