/* SPDX-License-Identifier: Apache-2.0 */
#include "pkm/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "support/check.h"

static char *folder;             /* temporary; each test works in one of its own below it */
static pkm_tokenizer *tokenizer; /* of about 300 tokens */

static char *set, *corpus; /* the folder the tests write sets to; a small text */

/* folder/name, in one of four static buffers. */
static const char *in_folder(const char *name)
{
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    check_ok(pkm_file_write(in_folder(name), text, strlen(text)));
}

static int setup(void **state)
{
    pkm_tokenizer_train_config config = {.vocab_size = 300};
    const char *paths[1];

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&set, folder, "set"));
    check_ok(pkm_path_join(&corpus, folder, "corpus.txt"));
    write_text("corpus.txt", "the cat sat on the mat; the dog sat on the log\n"
                             "the rat sat on the hat; the hog sat on the cog\n");
    paths[0] = corpus;
    check_ok(pkm_tokenizer_train(&tokenizer, paths, 1, &config));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pkm_tokenizer_destroy(tokenizer);
    pkm_free(set);
    pkm_free(corpus);
    temp_remove(folder);
    return 0;
}

static pkm_data_summary prepare(const char *out, const char *in, double val_fraction,
                                int64_t shard_tokens)
{
    pkm_data_config config = {.val_fraction = val_fraction, .shard_tokens = shard_tokens};
    const char *paths[] = {in_folder(in)};
    pkm_data_summary summary;

    check_ok(pkm_directory_remove(in_folder(out)));
    check_ok(pkm_data_prepare(&summary, in_folder(out), tokenizer, paths, 1, &config));
    return summary;
}

/* All tokens of a side; *count of them. */
static int32_t *read_side(const char *out, pkm_split split, int64_t *count)
{
    pkm_data *data;
    int32_t *ids;

    check_ok(pkm_data_open(&data, in_folder(out), split));
    *count = pkm_data_tokens(data);
    ids = malloc((size_t)(*count + 1) * sizeof *ids);
    check_ok(pkm_data_read(data, ids, 0, *count));
    assert_string_equal(pkm_data_tokenizer_hash(data), pkm_tokenizer_hash(tokenizer));
    assert_int_equal(pkm_data_vocab_size(data), pkm_tokenizer_vocab_size(tokenizer));
    pkm_data_close(data);
    return ids;
}

/* The text of a side, "<|endoftext|>" behind each document. */
static char *side_text(const char *out, pkm_split split)
{
    int64_t count;
    int32_t *ids = read_side(out, split, &count);
    char *text;
    size_t bytes;

    check_ok(pkm_tokenizer_decode(tokenizer, &text, &bytes, ids, count));
    free(ids);
    return text;
}

static void check_side(const char *out, pkm_split split, const char *want)
{
    char *text = side_text(out, split);

    assert_string_equal(text, want);
    pkm_free(text);
}

#define END "<|endoftext|>"

/* Order, binary and empty files, links, duplicates. */
static void test_what_is_taken(void **state)
{
    pkm_data_summary summary;

    (void)state;
    check_ok(pkm_directory_create(in_folder("tree/sub/deep")));
    write_text("tree/b", "second");
    write_text("tree/a.c", "first");
    write_text("tree/sub/deep/x", "deep");
    write_text("tree/sub.d", "before deep");
    write_text("tree/z", "first");
    write_text("tree/empty", "");
    check_ok(pkm_file_write(in_folder("tree/binary"), "a\0b", 3));
    assert_int_equal(symlink("b", in_folder("tree/link")), 0);
    assert_int_equal(symlink(".", in_folder("tree/loop")), 0);
    assert_int_equal(mkfifo(in_folder("tree/fifo"), 0600), 0);
    summary = prepare("set", "tree", 0, 0);
    check_side("set", PKM_SPLIT_TRAIN, "first" END "second" END "before deep" END "deep" END);
    check_side("set", PKM_SPLIT_VAL, "");
    assert_int_equal(summary.documents, 4);
    assert_int_equal(summary.duplicates, 1);
    assert_int_equal(summary.binary_files, 1);
    assert_int_equal(summary.unreadable_files, 0);
    assert_int_equal(summary.train_bytes, 5 + 6 + 11 + 4);
    assert_int_equal(summary.val_tokens, 0);
    assert_true(pkm_file_exists(in_folder("set/tokenizer.json")));
}

static void check_held_out(const char *in, int files, double fraction)
{
    pkm_data_summary summary = prepare("set", in, fraction, 0);

    assert_int_equal(summary.documents, files);
    assert_true(summary.val_tokens > 0);
    assert_true(summary.train_tokens > 0);
    assert_int_equal(summary.train_bytes + summary.val_bytes, 7 * files);
    if (fraction < 1e-6)
        assert_int_equal(summary.val_bytes, 7);
}

/* Both sides have a document, whatever the fraction; together they have all. */
static void test_held_out(void **state)
{
    (void)state;
    check_ok(pkm_directory_create(in_folder("many")));
    for (int file = 0; file < 30; file++) {
        char name[32], text[32];

        snprintf(name, sizeof name, "many/%02d", file);
        write_text(name, name);
        if (file % 3 != 0)
            continue;
        /* Two documents at a time: now and then both hashes fall on the same side. */
        check_ok(pkm_directory_create(in_folder("pair")));
        for (int i = 0; i < 2; i++) {
            snprintf(name, sizeof name, "pair/%d", i);
            snprintf(text, sizeof text, "pair %02d", 2 * file + i);
            write_text(name, text);
        }
        check_held_out("pair", 2, 0.5);
    }
    check_held_out("pair", 2, 1e-9);
    check_held_out("many", 30, 1e-9);
    check_held_out("many", 30, 0.2);
}

/* A single document: the held-out side is its end, and nothing is lost. */
static void test_single_document(void **state)
{
    char text[4000], *train, *val;
    size_t cut;

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = " the cat\n"[i % 9];
    text[sizeof text - 1] = '\0';
    write_text("single", text);
    assert_int_equal(prepare("set", "single", 0.1, 0).documents, 1);
    train = side_text("set", PKM_SPLIT_TRAIN);
    val = side_text("set", PKM_SPLIT_VAL);
    cut = strlen(train) - strlen(END);
    assert_true(cut > 3500 && cut < 3620);
    assert_memory_equal(train, text, cut);
    assert_memory_equal(val, text + cut, sizeof text - 1 - cut);
    assert_string_equal(val + sizeof text - 1 - cut, END);
    pkm_free(train);
    pkm_free(val);
    write_text("single", "x");
    check_side((prepare("set", "single", 0.1, 0), "set"), PKM_SPLIT_TRAIN, "x" END);
}

/* Shards hold exactly what they may, and reading crosses them. */
static void test_shards(void **state)
{
    int64_t n_whole, n_cut;
    int32_t *whole, *cut, window[5];
    pkm_data *data;

    (void)state;
    prepare("whole", "corpus.txt", 0, 0);
    prepare("set", "corpus.txt", 0, 4);
    whole = read_side("whole", PKM_SPLIT_TRAIN, &n_whole);
    cut = read_side("set", PKM_SPLIT_TRAIN, &n_cut);
    assert_int_equal(n_whole, n_cut);
    assert_memory_equal(whole, cut, (size_t)n_whole * sizeof *whole);
    check_ok(pkm_data_open(&data, set, PKM_SPLIT_TRAIN));
    for (int64_t first = 0; first + 5 <= n_cut; first++) {
        check_ok(pkm_data_read(data, window, first, 5));
        assert_memory_equal(window, whole + first, sizeof window);
    }
    check_ok(pkm_data_read(data, window, n_cut, 0));
    check_fails(pkm_data_read(data, window, n_cut - 4, 5), PKM_ERR_ARG, "5 tokens", NULL);
    check_fails(pkm_data_read(data, window, -1, 1), PKM_ERR_ARG, "-1", NULL);
    check_fails(pkm_data_read(data, window, INT64_MAX, 1), PKM_ERR_ARG, "from", NULL);
    pkm_data_close(data);
    free(whole);
    free(cut);
}

/* A file of several batches, with pieces longer than a segment round the ends of batches. */
static void test_streaming(void **state)
{
    enum { BYTES = 34 << 20, WORD = 1 << 20 };
    char *text = malloc(BYTES);
    pkm_encoder *encoder;
    const int32_t *want;
    int64_t n_want, n_ids;
    int32_t *ids;

    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        text[i] = "the cat sat on it's mat;\n\n\tthe\xc3\xa9 12 "[i % 36];
    memset(text + (16 << 20) - WORD / 2, 'a', WORD);
    memset(text + (31 << 20), ' ', WORD);
    check_ok(pkm_file_write(in_folder("big"), text, BYTES));
    prepare("set", "big", 0, 0);
    ids = read_side("set", PKM_SPLIT_TRAIN, &n_ids);
    check_ok(pkm_encoder_create(&encoder, tokenizer));
    check_ok(pkm_encoder_encode(encoder, &want, &n_want, text, BYTES));
    assert_int_equal(n_ids, n_want + 1);
    assert_memory_equal(ids, want, (size_t)n_want * sizeof *ids);
    assert_int_equal(ids[n_want], pkm_tokenizer_end_of_text(tokenizer));
    pkm_encoder_destroy(encoder);
    free(ids);
    free(text);
    assert_int_equal(unlink(in_folder("big")), 0);
}

static void test_threads(void **state)
{
    char *first = NULL;

    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        char *meta;
        size_t bytes;

        check_ok(pkm_threads_set(threads));
        prepare("set", "many", 0.2, 200);
        check_ok(pkm_file_read(&meta, &bytes, in_folder("set/meta.json"), 1 << 20));
        if (first != NULL)
            assert_string_equal(meta, first);
        pkm_free(first);
        first = meta;
    }
    pkm_free(first);
    check_ok(pkm_threads_set(0));
}

static int cancel(const char *phase, uint64_t done, uint64_t total, void *user)
{
    (void)done;
    (void)total;
    return strcmp(phase, user) == 0;
}

static void test_refusals(void **state)
{
    pkm_data_config config = {.val_fraction = 0.1, .shard_tokens = 5};
    const char *paths[] = {corpus};
    char *phases[] = {"scan", "encode"};
    pkm_data_summary summary;

    (void)state;
    prepare("set", "corpus.txt", 0, 0);
    check_fails(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config), PKM_ERR_STATE,
                "set/meta.json", "exists", NULL);
    check_ok(pkm_directory_remove(set));
    for (int i = 0; i < 2; i++) {
        config.progress = cancel;
        config.user = phases[i];
        check_fails(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config),
                    PKM_ERR_CANCELLED, "cancelled", NULL);
        assert_false(pkm_file_exists(in_folder("set/train-00000.bin")));
    }
    config.progress = NULL;
    config.val_fraction = 0.51;
    check_fails(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config), PKM_ERR_ARG,
                "val_fraction", NULL);
    config.val_fraction = 0;
    config.shard_tokens = INT64_C(1) << 31;
    check_fails(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config), PKM_ERR_ARG,
                "shard_tokens", NULL);
    config.shard_tokens = 0;
    paths[0] = in_folder("tree/binary");
    check_fails(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config), PKM_ERR_ARG,
                "no text found", NULL);
    paths[0] = in_folder("tree/fifo");
    check_fails(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config), PKM_ERR_IO,
                "tree/fifo", NULL);
}

/* What a killed process left goes, what the user keeps there stays, and two do not write at once.
 */
static void test_leftovers(void **state)
{
    const pkm_data_config config = {0};
    const char *paths[] = {corpus};
    pkm_data_summary summary;
    int claim;

    (void)state;
    check_ok(pkm_directory_remove(set));
    check_ok(pkm_directory_create(in_folder("set/shards.tmp-12")));
    check_ok(pkm_directory_create(in_folder("set/shards.tmp-x")));
    write_text("set/shards.tmp-12/train-00000.bin", "half");
    write_text("set/train-00000.bin", "a shard without its list");
    write_text("set/notes.tmp-12", "precious");
    check_ok(pkm_directory_claim(&claim, set, "shards"));
    check_fails(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config), PKM_ERR_STATE, set,
                "another process", NULL);
    close(claim);
    check_ok(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config));
    assert_false(pkm_directory_exists(in_folder("set/shards.tmp-12")));
    assert_true(pkm_directory_exists(in_folder("set/shards.tmp-x")));
    assert_true(pkm_file_exists(in_folder("set/notes.tmp-12")));
    check_side("set", PKM_SPLIT_TRAIN,
               "the cat sat on the mat; the dog sat on the log\n"
               "the rat sat on the hat; the hog sat on the cog\n" END);
}

static bool countdown(size_t bytes, void *user)
{
    int *left = user;

    (void)bytes;
    return (*left)-- == 0;
}

/* Whichever allocation fails: an error, no leak, no shard left behind. */
static void test_allocation_failures(void **state)
{
    const char *paths[] = {corpus};
    pkm_status status = PKM_ERR_NOMEM;

    (void)state;
    check_ok(pkm_threads_set(1));
    for (int nth = 0; status == PKM_ERR_NOMEM; nth++) {
        pkm_data_config config = {.val_fraction = 0.1, .shard_tokens = 100};
        pkm_data_summary summary;
        int left = nth;

        check_ok(pkm_directory_remove(set));
        pkm_alloc_set_hook(countdown, &left);
        status = pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config);
        pkm_alloc_set_hook(NULL, NULL);
        if (status == PKM_ERR_NOMEM)
            assert_false(pkm_file_exists(in_folder("set/meta.json")));
    }
    check_ok(pkm_threads_set(0));
    check_ok(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_held_out),
        cmocka_unit_test(test_single_document),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
