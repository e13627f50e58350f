/* SPDX-License-Identifier: Apache-2.0 */
/* Continuing a text: encode, decode token by token, show what is certain. */
#include "infer/decoder.h"
#include "infer/sampler.h"
#include "infer/text_stream.h"
#include "models/model.h"

typedef struct generation {
    const pkm_tokenizer *tokenizer;
    pkm_decoder *decoder;
    pkm_sampler sampler;
    pkm_text_stream stream;
    int64_t n_generated;
} generation;

/* Feeds the prompt, or, since something must come before the first token, end-of-text. */
static pkm_status feed_prompt(generation *g, const float **logits, const char *prompt, size_t bytes)
{
    int32_t end = pkm_tokenizer_end_of_text(g->tokenizer);
    pkm_encoder *encoder;
    const int32_t *ids;
    int64_t n_ids;
    pkm_status status;

    PKM_TRY(pkm_encoder_create(&encoder, g->tokenizer));
    status = pkm_encoder_encode(encoder, &ids, &n_ids, prompt, bytes);
    if (status == PKM_OK)
        status = n_ids > 0 ? pkm_decoder_feed(g->decoder, logits, ids, n_ids)
                           : pkm_decoder_feed(g->decoder, logits, &end, 1);
    pkm_encoder_destroy(encoder);
    return status;
}

static pkm_status run(generation *g, const char *prompt, size_t prompt_bytes, int64_t max_tokens)
{
    int32_t end = pkm_tokenizer_end_of_text(g->tokenizer), id;
    const float *logits;

    if (max_tokens == 0)
        return PKM_OK;
    PKM_TRY(feed_prompt(g, &logits, prompt, prompt_bytes));
    for (;;) {
        const unsigned char *text;
        size_t bytes;

        PKM_TRY(pkm_sampler_pick(&g->sampler, &id, logits, (uint64_t)g->n_generated));
        if (id == end)
            break;
        g->n_generated++;
        PKM_TRY(pkm_tokenizer_token(g->tokenizer, id, &text, &bytes));
        PKM_TRY(pkm_text_stream_push(&g->stream, text, bytes));
        if (g->stream.ended || g->n_generated == max_tokens)
            break;
        PKM_TRY(pkm_decoder_feed(g->decoder, &logits, &id, 1));
    }
    return pkm_text_stream_finish(&g->stream);
}

static pkm_status prepare(generation *g, pkm_model *model, const pkm_generate_config *config,
                          pkm_text_sink sink, void *user)
{
    if (model->tokenizer == NULL)
        return pkm_fail(PKM_ERR_STATE, "the model has no tokenizer.json");
    if (config->max_tokens < 0)
        return pkm_fail(PKM_ERR_ARG, "max_tokens is %lld: expected 0 or more",
                        (long long)config->max_tokens);
    g->tokenizer = model->tokenizer;
    PKM_TRY(pkm_sampler_init(&g->sampler, config, pkm_tokenizer_vocab_size(model->tokenizer)));
    PKM_TRY(pkm_text_stream_init(&g->stream, config->stop, config->n_stop, sink, user));
    return pkm_decoder_create(&g->decoder, model->gpt);
}

pkm_status pkm_model_generate(pkm_model *model, const char *prompt, size_t prompt_bytes,
                              const pkm_generate_config *config, pkm_text_sink sink, void *user,
                              int64_t *n_generated)
{
    generation g = {0};
    pkm_status status = prepare(&g, model, config, sink, user);

    if (status == PKM_OK)
        status = run(&g, prompt, prompt_bytes, config->max_tokens);
    pkm_decoder_destroy(g.decoder);
    pkm_text_stream_release(&g.stream);
    pkm_sampler_release(&g.sampler);
    if (status == PKM_OK && n_generated != NULL)
        *n_generated = g.n_generated;
    return status;
}
