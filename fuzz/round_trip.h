/* SPDX-License-Identifier: Apache-2.0 */
/* Text through a tokenizer and back, for the targets that have one. */
#ifndef PKM_FUZZ_ROUND_TRIP_H
#define PKM_FUZZ_ROUND_TRIP_H

#include <string.h>

#include "fuzz.h"
#include "pkm/options.h"
#include "pkm/tokenizer.h"

/* Ids are from 0 to n_ids - 1, and decoding them gives the text back. */
static inline void check_round_trip(const pkm_tokenizer *tokenizer, int64_t n_ids, const void *text,
                                    size_t bytes)
{
    pkm_encoder *encoder;
    const int32_t *ids;
    int64_t count;
    size_t decoded_bytes;
    char *decoded;

    if (!fuzz_must(pkm_encoder_create(&encoder, tokenizer)))
        return;
    if (fuzz_must(pkm_encoder_encode(encoder, &ids, &count, text, bytes))) {
        for (int64_t i = 0; i < count; i++)
            fuzz_check(ids[i] >= 0 && ids[i] < n_ids, "ids are those of text");
        if (fuzz_must(pkm_tokenizer_decode(tokenizer, &decoded, &decoded_bytes, ids, count))) {
            fuzz_check(decoded_bytes == bytes && memcmp(decoded, text, bytes) == 0,
                       "decoding gives the text back");
            pkm_text_free(decoded);
        }
    }
    pkm_encoder_destroy(encoder);
}

#endif
