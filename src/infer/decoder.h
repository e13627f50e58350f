/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sequence being decoded: its window of tokens, the KV cache of what has been computed of it,
 * and two tapes on that cache, a wide one without head for the prompt and one for a single row.
 *
 * The window holds at most seq_len tokens. When one more comes it keeps its last half, which is
 * computed again from position 0.
 */
#ifndef PKM_INFER_DECODER_H
#define PKM_INFER_DECODER_H

#include "models/gpt.h"
#include "ops/attention.h"

typedef struct pkm_decoder {
    pkm_gpt *gpt; /* borrowed */
    pkm_kv_cache *cache;
    pkm_tape *prefill, *step;
    int64_t prefill_rows;
    int32_t *window; /* [seq_len] */
    int64_t length;  /* tokens in the window */
    int64_t cached;  /* of them computed */
} pkm_decoder;

pkm_status pkm_decoder_create(pkm_decoder **out, pkm_gpt *gpt);
void pkm_decoder_destroy(pkm_decoder *decoder);

/* Appends ids [count >= 1] and computes: *logits [vocab] are those after the last one, borrowed
 * until the next call. */
pkm_status pkm_decoder_feed(pkm_decoder *decoder, const float **logits, const int32_t *ids,
                            int64_t count);

#endif
