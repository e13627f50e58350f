/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as tokenizer.json: what loads encodes any text so that decoding gives it back, and
 * saved it loads again, equal. "bytes" stands for the entries of the 256 single bytes, which every
 * file needs and few changes leave whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "round_trip.h"
#include "text/alphabet.h"
#include "text/vocabulary.h"

static const char placeholder[] = "\"bytes\"";
static char byte_entries[256 * 16]; /* "\"!\":0, ..." */

static void prepare(void)
{
    size_t at = 0;

    for (int byte = 0; byte < 256; byte++)
        at += (size_t)snprintf(byte_entries + at, sizeof byte_entries - at, "%s\"\\u%04x\":%d",
                               byte > 0 ? "," : "",
                               (unsigned)pkm_alphabet_code((unsigned char)byte), byte);
}

/* The input with the first placeholder replaced; the caller frees it. */
static char *expand(const uint8_t *data, size_t size, size_t *bytes)
{
    const uint8_t *found = memmem(data, size, placeholder, sizeof placeholder - 1);
    size_t entries = strlen(byte_entries), before, after;
    char *text = malloc(size + entries);

    fuzz_check(text != NULL, "there is memory for the input");
    before = found != NULL ? (size_t)(found - data) : size;
    after = found != NULL ? size - before - (sizeof placeholder - 1) : 0;
    memcpy(text, data, before);
    if (found != NULL) {
        memcpy(text + before, byte_entries, entries);
        memcpy(text + before + entries, data + size - after, after);
        before += entries;
    }
    *bytes = before + after;
    return text;
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
    size_t bytes, tail = size < 256 ? size : 256;
    char *text = expand(data, size, &bytes);
    pkm_tokenizer *tokenizer;

    if (fuzz_ok(pkm_vocabulary_parse(&tokenizer, text, bytes, "tokenizer.json"))) {
        fuzz_loaded();
        check_round_trip(tokenizer, tokenizer->n_tokens, data + size - tail, tail);
        save_and_load(tokenizer);
        pkm_tokenizer_destroy(tokenizer);
    }
    free(text);
}

const fuzz_target fuzz_this = {
    .prepare = prepare, .run = run, .per_byte = 512, .constant = 256 << 10};
