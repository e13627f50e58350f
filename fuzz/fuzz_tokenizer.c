/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as tokenizer.json: what loads encodes any text so that decoding gives it back, and
 * saved it loads again, equal. */
#include <string.h>

#include "fuzz.h"
#include "pkm/options.h"
#include "text/vocabulary.h"

static void encode_and_decode(const pkm_tokenizer *tokenizer, const void *text, size_t bytes)
{
    pkm_encoder *encoder;
    const int32_t *ids;
    int64_t n_ids;
    size_t decoded_bytes;
    char *decoded;

    if (!fuzz_must(pkm_encoder_create(&encoder, tokenizer)))
        return;
    if (fuzz_must(pkm_encoder_encode(encoder, &ids, &n_ids, text, bytes)) &&
        fuzz_must(pkm_tokenizer_decode(tokenizer, &decoded, &decoded_bytes, ids, n_ids))) {
        fuzz_check(decoded_bytes == bytes && memcmp(decoded, text, bytes) == 0,
                   "decoding gives the text back");
        pkm_text_free(decoded);
    }
    pkm_encoder_destroy(encoder);
}

static void save_and_load(const pkm_tokenizer *tokenizer)
{
    pkm_tokenizer *again;

    if (!fuzz_must(pkm_tokenizer_save(tokenizer, fuzz_path(""))) ||
        !fuzz_must(pkm_tokenizer_load(&again, fuzz_path(""))))
        return;
    fuzz_check(again->n_tokens == tokenizer->n_tokens && again->n_merges == tokenizer->n_merges &&
                   strcmp(pkm_tokenizer_hash(again), pkm_tokenizer_hash(tokenizer)) == 0,
               "a saved tokenizer loads equal");
    pkm_tokenizer_destroy(again);
}

static void run(const uint8_t *data, size_t size)
{
    pkm_tokenizer *tokenizer;
    size_t tail = size < 256 ? size : 256;

    if (!fuzz_ok(pkm_vocabulary_parse(&tokenizer, (const char *)data, size, "tokenizer.json")))
        return;
    fuzz_loaded();
    encode_and_decode(tokenizer, data + size - tail, tail);
    save_and_load(tokenizer);
    pkm_tokenizer_destroy(tokenizer);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 32 << 10};
