/* SPDX-License-Identifier: Apache-2.0 */
#include "infer/decoder.h"

#include <string.h>

#include "base/alloc.h"
#include "base/size.h"

/* Rows of the wide tape: enough to make the products worth their weights, few enough to be small.
 */
enum { PREFILL_ROWS = 128 };

static pkm_status prepare(pkm_decoder *decoder)
{
    const pkm_gpt_config *config = &decoder->gpt->config;
    const pkm_kv_cache_config cache = {.n_layers = config->layers,
                                       .n_sequences = 1,
                                       .seq_len = config->seq_len,
                                       .dim = config->dim,
                                       .dtype = config->compute};

    decoder->prefill_rows = pkm_min_i64(PREFILL_ROWS, config->seq_len);
    PKM_TRY(pkm_alloc_array((void **)&decoder->window, (size_t)config->seq_len,
                            sizeof *decoder->window, "a window of tokens"));
    PKM_TRY(pkm_kv_cache_create(&decoder->cache, &cache));
    PKM_TRY(pkm_gpt_tape(&decoder->prefill, decoder->gpt, PKM_MODE_DECODE, decoder->prefill_rows,
                         false, decoder->cache));
    PKM_TRY(pkm_gpt_tape(&decoder->step, decoder->gpt, PKM_MODE_DECODE, 1, true, decoder->cache));
    pkm_params_pack(decoder->gpt->params);
    return PKM_OK;
}

pkm_status pkm_decoder_create(pkm_decoder **out, pkm_gpt *gpt)
{
    pkm_decoder *decoder;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&decoder, 1, sizeof *decoder, "a decoder"));
    decoder->gpt = gpt;
    status = prepare(decoder);
    if (status != PKM_OK) {
        pkm_decoder_destroy(decoder);
        return status;
    }
    *out = decoder;
    return PKM_OK;
}

void pkm_decoder_destroy(pkm_decoder *decoder)
{
    if (decoder == NULL)
        return;
    pkm_tape_destroy(decoder->step);
    pkm_tape_destroy(decoder->prefill);
    pkm_kv_cache_destroy(decoder->cache);
    pkm_free(decoder->window);
    pkm_free(decoder);
}

/* Puts one token into the window, which slides if it is full. */
static void push(pkm_decoder *decoder, int32_t id)
{
    int64_t seq_len = decoder->gpt->config.seq_len, half = seq_len / 2;

    if (decoder->length == seq_len) {
        memmove(decoder->window, decoder->window + seq_len - half,
                (size_t)half * sizeof *decoder->window);
        decoder->length = half;
        decoder->cached = 0;
    }
    decoder->window[decoder->length++] = id;
}

/* Computes the next `count` tokens that are in the window and not in the cache. */
static pkm_status advance(pkm_decoder *decoder, pkm_tape *tape, int64_t count)
{
    pkm_run run = {.n_rows = count};

    pkm_gpt_fill(tape, decoder->window + decoder->cached, count, decoder->cached);
    PKM_TRY(pkm_tape_forward(tape, &run));
    decoder->cached += count;
    return PKM_OK;
}

pkm_status pkm_decoder_feed(pkm_decoder *decoder, const float **logits, const int32_t *ids,
                            int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        push(decoder, ids[i]);
    while (decoder->length - decoder->cached > 1)
        PKM_TRY(advance(decoder, decoder->prefill,
                        pkm_min_i64(decoder->prefill_rows, decoder->length - decoder->cached - 1)));
    PKM_TRY(advance(decoder, decoder->step, 1));
    *logits = pkm_tape_find(decoder->step, "logits")->data;
    return PKM_OK;
}
