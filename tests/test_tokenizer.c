/* SPDX-License-Identifier: Apache-2.0 */
#include "pkm/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/threads.h"
#include "pkm/options.h"
#include "support/check.h"
#include "text/split.h"
#include "text/vocabulary.h"

static char *folder, *corpus; /* a temporary folder and a text in it */

static int make_folder(void **state)
{
    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&corpus, folder, "corpus.txt"));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(corpus);
    temp_remove(folder);
    return 0;
}

static pkm_tokenizer *train(int64_t vocab_size)
{
    const char *paths[] = {corpus};
    pkm_tokenizer_train_config config = {.vocab_size = vocab_size};
    pkm_tokenizer *tokenizer = NULL;

    check_ok(pkm_tokenizer_train(&tokenizer, paths, 1, &config));
    return tokenizer;
}

/* Text of invented words, frequent ones first, in lines; some bytes are no UTF-8. */
static size_t write_corpus(size_t bytes)
{
    static const char *const endings[] = {" ",  " ",     " ",   "\n",
                                          ", ", "_x = ", "'s ", " \xc3\xa9\xff"};
    pkm_rng rng = {.seed = 11};
    char *text = malloc(bytes + 64);
    size_t used = 0;

    for (uint64_t i = 0; used < bytes; i += 2) {
        uint32_t word = pkm_rng_u32(&rng, i) % 64 * (pkm_rng_u32(&rng, i) >> 16) % 997;
        const char *ending = endings[pkm_rng_u32(&rng, i + 1) % 8];

        for (uint32_t letters = word + 3; letters > 0; letters /= 5)
            text[used++] = (char)('a' + letters * 7 % 23);
        memcpy(text + used, ending, strlen(ending));
        used += strlen(ending);
    }
    check_ok(pkm_file_write(corpus, text, used));
    free(text);
    return used;
}

/* By hand: (a,b) is seen 5 times; then (space,ab) and (ab,ab) twice, smaller ids first. */
static void test_merges_by_hand(void **state)
{
    const int a = 'a' - 0x21, b = 'b' - 0x21, space = 188 + 0x20;
    pkm_tokenizer *tokenizer;

    (void)state;
    check_ok(pkm_file_write(corpus, "abab abab ab", 12));
    tokenizer = train(1000);
    assert_int_equal(pkm_tokenizer_vocab_size(tokenizer), 256 + 2 + 1);
    assert_int_equal(tokenizer->merges[0].left, a);
    assert_int_equal(tokenizer->merges[0].right, b);
    assert_int_equal(tokenizer->merges[1].left, space);
    assert_int_equal(tokenizer->merges[1].right, 256);
    assert_int_equal(pkm_tokenizer_end_of_text(tokenizer), 258);
    pkm_tokenizer_destroy(tokenizer);
}

/* Learns by recounting all pairs of all pieces for every merge. */
static void check_naive_merges(const pkm_tokenizer *tokenizer, int32_t *tokens, int64_t *pieces,
                               int64_t n_tokens)
{
    static int64_t counts[320][320];

    for (int64_t r = 0; r < tokenizer->n_merges; r++) {
        pkm_merge best = {0, 0, 0}, merge = tokenizer->merges[r];
        int64_t kept = 0;

        memset(counts, 0, sizeof counts);
        for (int64_t i = 0; i + 1 < n_tokens; i++)
            if (pieces[i] == pieces[i + 1])
                counts[tokens[i]][tokens[i + 1]]++;
        for (int32_t left = 0; left < 320; left++)
            for (int32_t right = 0; right < 320; right++)
                if (counts[left][right] > counts[best.left][best.right])
                    best = (pkm_merge){left, right, 0};
        assert_int_equal(merge.left, best.left);
        assert_int_equal(merge.right, best.right);
        for (int64_t i = 0; i < n_tokens; i++, kept++) {
            bool here = i + 1 < n_tokens && pieces[i] == pieces[i + 1] && tokens[i] == merge.left &&
                        tokens[i + 1] == merge.right;

            tokens[kept] = here ? merge.id : tokens[i];
            pieces[kept] = pieces[i];
            i += here;
        }
        n_tokens = kept;
    }
}

static void test_merges_against_naive(void **state)
{
    size_t bytes = write_corpus(20000);
    pkm_tokenizer *tokenizer = train(320);
    int32_t *tokens = malloc(bytes * sizeof *tokens);
    int64_t *pieces = malloc(bytes * sizeof *pieces), piece = 0;
    char *text;

    (void)state;
    check_ok(pkm_file_read(&text, &bytes, corpus, bytes));
    for (size_t start = 0, end; start < bytes; start = end, piece++) {
        end = start + pkm_split_next((unsigned char *)text + start, bytes - start, true);
        for (size_t i = start; i < end; i++) {
            tokens[i] = tokenizer->byte_ids[(unsigned char)text[i]];
            pieces[i] = piece;
        }
    }
    assert_int_equal(tokenizer->n_merges, 320 - 257);
    check_naive_merges(tokenizer, tokens, pieces, (int64_t)bytes);
    free(tokens);
    free(pieces);
    pkm_free(text);
    pkm_tokenizer_destroy(tokenizer);
}

static void test_training_ignores_threads(void **state)
{
    char hash[33] = "";

    (void)state;
    write_corpus(1 << 20);
    for (int threads = 1; threads <= 4; threads++) {
        pkm_tokenizer *tokenizer;

        check_ok(pkm_threads_set(threads));
        tokenizer = train(2000);
        if (threads > 1)
            assert_string_equal(pkm_tokenizer_hash(tokenizer), hash);
        memcpy(hash, pkm_tokenizer_hash(tokenizer), sizeof hash);
        pkm_tokenizer_destroy(tokenizer);
    }
    check_ok(pkm_threads_set(0));
}

/* The definition of BPE, word for word; returns the number of ids. */
static int64_t encode_naively(const pkm_tokenizer *tokenizer, int32_t *ids,
                              const unsigned char *text, size_t bytes)
{
    int64_t total = 0;

    for (size_t start = 0, end; start < bytes; start = end) {
        int32_t *piece = ids + total;
        int64_t count = 0, at = 0;

        end = start + pkm_split_next(text + start, bytes - start, true);
        for (size_t i = start; i < end; i++)
            piece[count++] = tokenizer->byte_ids[text[i]];
        while (at >= 0) {
            int64_t best = tokenizer->n_merges;

            at = -1;
            for (int64_t i = 0; i + 1 < count; i++)
                for (int64_t r = 0; r < best; r++)
                    if (tokenizer->merges[r].left == piece[i] &&
                        tokenizer->merges[r].right == piece[i + 1]) {
                        best = r;
                        at = i;
                    }
            if (at >= 0) {
                piece[at] = tokenizer->merges[best].id;
                memmove(piece + at + 1, piece + at + 2, (size_t)(count - at - 2) * sizeof *piece);
                count--;
            }
        }
        total += count;
    }
    return total;
}

static void check_encoding(const pkm_tokenizer *tokenizer, pkm_encoder *encoder,
                           const unsigned char *text, size_t bytes)
{
    static int32_t want[1024];
    int64_t n_want = encode_naively(tokenizer, want, text, bytes), n_ids;
    const int32_t *ids;

    check_ok(pkm_encoder_encode(encoder, &ids, &n_ids, text, bytes));
    assert_int_equal(n_ids, n_want);
    if (n_ids > 0)
        assert_memory_equal(ids, want, (size_t)n_ids * sizeof *ids);
}

/* Merges at random over a and b: unlike learnt ones, they come in no sensible order. */
static pkm_tokenizer *random_merges(uint64_t seed)
{
    enum { MERGES = 30 };
    pkm_rng rng = {.seed = seed, .stream = 1};
    pkm_merge merges[MERGES];
    bool used[MERGES + 2][MERGES + 2] = {{false}};
    pkm_tokenizer *tokenizer;
    uint64_t draw = 0;

    for (int32_t n = 0; n < MERGES; draw++) {
        uint32_t left = pkm_rng_u32(&rng, 2 * draw) % (2 + n);
        uint32_t right = pkm_rng_u32(&rng, 2 * draw + 1) % (2 + n);

        if (used[left][right])
            continue;
        used[left][right] = true;
        merges[n] =
            (pkm_merge){left < 2 ? 'a' - 0x21 + (int32_t)left : 254 + (int32_t)left,
                        right < 2 ? 'a' - 0x21 + (int32_t)right : 254 + (int32_t)right, 256 + n};
        n++;
    }
    check_ok(pkm_vocabulary_from_merges(&tokenizer, merges, MERGES));
    return tokenizer;
}

/* Pieces of every length up to and past those where the encoder changes its method. */
static void test_encoding_against_naive(void **state)
{
    pkm_rng rng = {.seed = 5};
    unsigned char text[600];

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        pkm_tokenizer *tokenizer = random_merges(seed);
        pkm_encoder *encoder;
        size_t bytes = seed % 150 * 4;

        check_ok(pkm_encoder_create(&encoder, tokenizer));
        for (size_t i = 0; i < bytes; i++) {
            uint32_t draw = pkm_rng_u32(&rng, 1000 * seed + i) % 200;

            text[i] = draw == 0 ? ' ' : draw == 1 ? 0xff : draw % 2 ? 'a' : 'b';
        }
        check_encoding(tokenizer, encoder, text, bytes);
        check_encoding(tokenizer, encoder, text, bytes); /* now from the cache */
        pkm_encoder_destroy(encoder);
        pkm_tokenizer_destroy(tokenizer);
    }
}

static void check_round_trip(const pkm_tokenizer *tokenizer, pkm_encoder *encoder,
                             const unsigned char *text, size_t bytes)
{
    const int32_t *ids;
    int64_t n_ids;
    size_t decoded_bytes;
    char *decoded;

    check_ok(pkm_encoder_encode(encoder, &ids, &n_ids, text, bytes));
    for (int64_t i = 0; i < n_ids; i++)
        assert_true(ids[i] >= 0 && ids[i] < pkm_tokenizer_end_of_text(tokenizer));
    check_ok(pkm_tokenizer_decode(tokenizer, &decoded, &decoded_bytes, ids, n_ids));
    assert_int_equal(decoded_bytes, bytes);
    assert_memory_equal(decoded, text, bytes);
    assert_int_equal(decoded[bytes], 0);
    pkm_text_free(decoded);
}

static void test_round_trips(void **state)
{
    static const char special[] = "a <|endoftext|> b";
    size_t long_bytes = 1 << 20;
    pkm_rng rng = {.seed = 9};
    unsigned char noise[4096], *word = malloc(long_bytes);
    pkm_tokenizer *tokenizer;
    pkm_encoder *encoder;

    (void)state;
    write_corpus(50000);
    tokenizer = train(600);
    check_ok(pkm_encoder_create(&encoder, tokenizer));
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)pkm_rng_u32(&rng, i);
    for (size_t i = 0; i < long_bytes; i++)
        word[i] = (unsigned char)('a' + pkm_rng_u32(&rng, i) % 23);
    check_round_trip(tokenizer, encoder, noise, 0);
    check_round_trip(tokenizer, encoder, noise, sizeof noise);
    check_round_trip(tokenizer, encoder, word, long_bytes); /* for ever, were it quadratic */
    check_round_trip(tokenizer, encoder, (const unsigned char *)special, sizeof special - 1);
    pkm_encoder_destroy(encoder);
    pkm_tokenizer_destroy(tokenizer);
    free(word);
}

static void test_arguments(void **state)
{
    const char *paths[] = {corpus};
    pkm_tokenizer_train_config config = {.vocab_size = 256};
    pkm_tokenizer *tokenizer = NULL;
    const unsigned char *token;
    char *text;
    size_t bytes;

    (void)state;
    check_fails(pkm_tokenizer_train(&tokenizer, paths, 1, &config), PKM_ERR_ARG, "vocab_size",
                "256", NULL);
    config.vocab_size = 300;
    check_ok(pkm_file_write(corpus, "\0 binary", 8));
    check_fails(pkm_tokenizer_train(&tokenizer, paths, 1, &config), PKM_ERR_ARG, corpus,
                "no text found", NULL);
    paths[0] = "/nowhere/at/all";
    check_fails(pkm_tokenizer_train(&tokenizer, paths, 1, &config), PKM_ERR_IO, paths[0], NULL);
    assert_null(tokenizer);
    check_ok(pkm_file_write(corpus, "to be or not to be", 18));
    tokenizer = train(300);
    check_fails(pkm_tokenizer_token(tokenizer, -1, &token, &bytes), PKM_ERR_ARG, "id -1", NULL);
    check_fails(pkm_tokenizer_decode(tokenizer, &text, &bytes, (int32_t[]){0, 9999}, 2),
                PKM_ERR_ARG, "id 9999", NULL);
    check_ok(pkm_tokenizer_token(tokenizer, pkm_tokenizer_end_of_text(tokenizer), &token, &bytes));
    assert_int_equal(bytes, 13);
    assert_memory_equal(token, "<|endoftext|>", 13);
    pkm_tokenizer_destroy(tokenizer);
}

static int cancel(const char *phase, uint64_t done, uint64_t total, void *user)
{
    (void)done;
    (void)total;
    return strcmp(phase, user) == 0;
}

static void test_cancelling(void **state)
{
    char *phases[] = {"count", "merge"};

    (void)state;
    write_corpus(100000);
    for (int i = 0; i < 2; i++) {
        const char *paths[] = {corpus};
        pkm_tokenizer_train_config config = {
            .vocab_size = 1000, .progress = cancel, .user = phases[i]};
        pkm_tokenizer *tokenizer = NULL;

        check_fails(pkm_tokenizer_train(&tokenizer, paths, 1, &config), PKM_ERR_CANCELLED,
                    "cancelled", NULL);
        assert_null(tokenizer);
    }
}

static bool countdown(size_t bytes, void *user)
{
    int *left = user;

    (void)bytes;
    return (*left)-- == 0;
}

/* Whichever allocation fails, training says so and leaks nothing (the sanitizer's part). */
static void test_allocation_failures(void **state)
{
    pkm_status status = PKM_ERR_NOMEM;

    (void)state;
    write_corpus(3000);
    check_ok(pkm_threads_set(1));
    for (int nth = 0; status == PKM_ERR_NOMEM; nth++) {
        const char *paths[] = {corpus};
        pkm_tokenizer_train_config config = {.vocab_size = 300};
        pkm_tokenizer *tokenizer = NULL;
        int left = nth;

        pkm_alloc_set_hook(countdown, &left);
        status = pkm_tokenizer_train(&tokenizer, paths, 1, &config);
        pkm_alloc_set_hook(NULL, NULL);
        if (status == PKM_ERR_NOMEM)
            assert_null(tokenizer);
        pkm_tokenizer_destroy(tokenizer);
    }
    check_ok(pkm_threads_set(0));
    check_ok(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_by_hand),
        cmocka_unit_test(test_merges_against_naive),
        cmocka_unit_test(test_training_ignores_threads),
        cmocka_unit_test(test_encoding_against_naive),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
