/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections: stop strings, one a line; merges, two or three bytes each; a prompt. Whatever the
 * merges, decoding gives the prompt back; as generated text it comes out as whole characters, the
 * same however it is cut, without a stop string; nothing is lost of valid text without one. Where
 * long texts are cut for the threads, both parts split into the pieces of the whole.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "infer/text_stream.h"
#include "round_trip.h"
#include "text/split.h"
#include "text/vocabulary.h"

enum { MERGES_MAX = 64, LONG_MERGES = 10, STOPS_MAX = 16 };

/* Only the first few merges may double a token's length. */
static int64_t read_merges(pkm_merge *merges, fuzz_input in)
{
    int64_t count = 0;

    for (; count < MERGES_MAX && in.size > 0; count++) {
        int32_t next = 256 + (int32_t)count, right_end = count < LONG_MERGES ? next : 256;

        merges[count].left = (int32_t)fuzz_number(&in, 2) % next;
        merges[count].right = (int32_t)fuzz_number(&in, count < LONG_MERGES ? 2 : 1) % right_end;
        merges[count].id = next;
    }
    return count;
}

static int keep(const char *text, size_t bytes, void *user)
{
    return !fuzz_ok(pkm_strbuf_append(user, text, bytes));
}

/* Shows text in pieces of `step` bytes, as generation would; false: out of memory. */
static bool show(pkm_strbuf *out, const char *const *stop, int n_stop, const uint8_t *text,
                 size_t bytes, size_t step)
{
    pkm_text_stream stream;
    bool shown = true;

    if (!fuzz_must(pkm_text_stream_init(&stream, stop, n_stop, keep, out)))
        return false;
    for (size_t at = 0; at < bytes && shown && !stream.ended; at += step)
        shown = fuzz_must(
            pkm_text_stream_push(&stream, text + at, bytes - at < step ? bytes - at : step));
    if (shown && !stream.ended)
        shown = fuzz_must(pkm_text_stream_finish(&stream));
    pkm_text_stream_release(&stream);
    return shown && !fuzz_starved();
}

static bool valid(const void *text, size_t bytes)
{
    json_t *string = json_stringn(text, bytes);
    bool is_utf8 = string != NULL;

    json_decref(string);
    return is_utf8;
}

static void check_stream(const char *const *stop, int n_stop, const uint8_t *text, size_t bytes)
{
    pkm_strbuf whole = {0}, pieces = {0};
    bool stopped = false;

    if (show(&whole, stop, n_stop, text, bytes, bytes + 1) &&
        show(&pieces, stop, n_stop, text, bytes, 1 + bytes % 3)) {
        const char *shown = whole.length > 0 ? whole.data : "";

        fuzz_check(whole.length == pieces.length &&
                       memcmp(shown, pieces.length > 0 ? pieces.data : "", whole.length) == 0,
                   "text is the same however it is cut");
        fuzz_check(valid(shown, whole.length), "text is valid UTF-8");
        for (int i = 0; i < n_stop; i++)
            stopped = stopped || memmem(text, bytes, stop[i], strlen(stop[i])) != NULL;
        if (!stopped && valid(text, bytes))
            fuzz_check(whole.length == bytes && memcmp(shown, text, bytes) == 0,
                       "valid text without a stop string is shown whole");
    }
    pkm_strbuf_release(&whole);
    pkm_strbuf_release(&pieces);
}

static void check_cut(const uint8_t *text, size_t bytes)
{
    size_t cut = pkm_split_cut(text, bytes, bytes / 2, true), at = 0;

    fuzz_check(cut <= bytes, "a cut is inside the text");
    while (at < cut)
        at += pkm_split_next(text + at, bytes - at, true);
    fuzz_check(at == cut, "a cut is between two pieces");
}

static void run(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size}, stops = fuzz_section(&in), merges_in = fuzz_section(&in);
    pkm_merge merges[MERGES_MAX];
    int64_t n_merges = read_merges(merges, merges_in);
    char *lines = strndup((const char *)stops.data, stops.size), *rest = lines, *line;
    const char *stop[STOPS_MAX];
    pkm_tokenizer *tokenizer;
    int n_stop = 0;

    fuzz_check(lines != NULL, "there is memory for the stop strings");
    while (n_stop < STOPS_MAX && (line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0')
            stop[n_stop++] = line;
    if (fuzz_ok(pkm_vocabulary_from_merges(&tokenizer, merges, n_merges))) {
        check_round_trip(tokenizer, pkm_tokenizer_end_of_text(tokenizer), in.data, in.size);
        pkm_tokenizer_destroy(tokenizer);
    }
    check_stream(stop, n_stop, in.data, in.size);
    check_cut(in.data, in.size);
    free(lines);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 1024, .constant = 8 << 20};
