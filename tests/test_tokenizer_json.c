/* SPDX-License-Identifier: Apache-2.0 */
#include "pkm/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"

static char *folder, *file; /* a temporary folder and its tokenizer.json */
static char *valid;         /* contents of a good file */
static pkm_tokenizer *original;

static int make_folder(void **state)
{
    static const char text[] = "the cat sat on the mat; the dog sat on the log\n";
    pkm_tokenizer_train_config config = {.vocab_size = 266};
    const char *paths[1];
    char *corpus;
    size_t bytes;

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&file, folder, "tokenizer.json"));
    check_ok(pkm_path_join(&corpus, folder, "corpus.txt"));
    check_ok(pkm_file_write(corpus, text, sizeof text - 1));
    paths[0] = corpus;
    check_ok(pkm_tokenizer_train(&original, paths, 1, &config));
    check_ok(pkm_tokenizer_save(original, folder));
    check_ok(pkm_file_read(&valid, &bytes, file, 1 << 20));
    pkm_free(corpus);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_tokenizer_destroy(original);
    pkm_free(valid);
    pkm_free(file);
    temp_remove(folder);
    return 0;
}

/* Writes the good file with the first `find` replaced. */
static void write_changed(const char *find, const char *replacement)
{
    const char *at = strstr(valid, find);
    size_t before, rest, inserted = strlen(replacement);
    char *text;

    if (at == NULL)
        fail_msg("the file lacks '%s'", find);
    before = (size_t)(at - valid);
    rest = strlen(at + strlen(find));
    text = malloc(before + inserted + rest + 1);
    memcpy(text, valid, before);
    memcpy(text + before, replacement, inserted);
    memcpy(text + before + inserted, at + strlen(find), rest);
    check_ok(pkm_file_write(file, text, before + inserted + rest));
    free(text);
}

static void check_same(const char *path)
{
    pkm_tokenizer *loaded;

    check_ok(pkm_tokenizer_load(&loaded, path));
    assert_string_equal(pkm_tokenizer_hash(loaded), pkm_tokenizer_hash(original));
    assert_int_equal(pkm_tokenizer_vocab_size(loaded), 266);
    pkm_tokenizer_destroy(loaded);
}

static void test_round_trip(void **state)
{
    (void)state;
    write_changed("", "");
    check_same(file);
    check_same(folder);
}

/* Other ways of writing the same tokenizer: those of older and newer files. */
static void test_variants(void **state)
{
    static const char *const changes[][2] = {
        {"\"type\": \"BPE\",", ""},
        {"\"use_regex\": true", "\"x\": null"},
        {"\"a t\"", "[\"a\", \"t\"]"},
        {"\"continuing_subword_prefix\": \"\"", "\"continuing_subword_prefix\": null"},
        {"\"post_processor\": null", "\"post_processor\": {\"type\": \"ByteLevel\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_changed(changes[i][0], changes[i][1]);
        check_same(file);
    }
}

typedef struct malformed {
    const char *find, *replacement;
    pkm_status status;
    const char *culprit, *reason; /* both in the message, beside the file */
} malformed;

static const malformed cases[] = {
    {"{", "", PKM_ERR_FORMAT, "line", ""},
    {"{", "[", PKM_ERR_FORMAT, "line", ""},
    {"\"version\"", "\"model\"", PKM_ERR_FORMAT, "duplicate", "model"},
    {"\"1.0\"", "\"\xff\"", PKM_ERR_FORMAT, "line", "unable to decode"},
    {"\"model\"", "\"models\"", PKM_ERR_FORMAT, "model", "missing"},
    {"\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}", PKM_ERR_UNSUPPORTED,
     "normalizer", "none"},
    {"\"truncation\": null", "\"truncation\": {}", PKM_ERR_UNSUPPORTED, "truncation", "none"},
    {"\"pre_tokenizer\"", "\"pre\"", PKM_ERR_FORMAT, "pre_tokenizer", "missing"},
    {"\"type\": \"ByteLevel\"", "\"type\": \"Whitespace\"", PKM_ERR_UNSUPPORTED,
     "pre_tokenizer: type", "expected ByteLevel"},
    {"\"type\": \"ByteLevel\"", "\"type\": 7", PKM_ERR_FORMAT, "pre_tokenizer: type", "integer"},
    {"\"add_prefix_space\": false", "\"add_prefix_space\": true", PKM_ERR_UNSUPPORTED,
     "pre_tokenizer", "add_prefix_space"},
    {"\"use_regex\": true", "\"use_regex\": false", PKM_ERR_UNSUPPORTED, "pre_tokenizer",
     "use_regex"},
    {"\"use_regex\": true", "\"use_regex\": 1", PKM_ERR_FORMAT, "pre_tokenizer", "use_regex"},
    {"\"type\": \"BPE\"", "\"type\": \"Unigram\"", PKM_ERR_UNSUPPORTED, "model: type",
     "expected BPE"},
    {"\"ignore_merges\": false", "\"ignore_merges\": true", PKM_ERR_UNSUPPORTED, "model",
     "ignore_merges"},
    {"\"dropout\": null", "\"dropout\": 0.1", PKM_ERR_UNSUPPORTED, "model", "dropout"},
    {"\"vocab\": {", "\"vocab\": 3, \"x\": {", PKM_ERR_FORMAT, "vocab", "an integer"},
    {"\"merges\": [", "\"x\": [", PKM_ERR_FORMAT, "merges", "missing"},
    {"\"!\": 0", "\"!\": 1", PKM_ERR_FORMAT, "model.vocab", "share id 1"},
    {"\"!\": 0", "\"!\": -1", PKM_ERR_FORMAT, "model.vocab", "'!'"},
    {"\"!\": 0", "\"!\": 0.0", PKM_ERR_FORMAT, "model.vocab", "'!'"},
    {"\"!\": 0", "\"!\": 99999999999999999999", PKM_ERR_FORMAT, "line", "too big"},
    {"\"!\": 0", "\"!\": 265", PKM_ERR_FORMAT, "model.vocab", "'!'"},
    {"\"!\": 0", "\"!!\": 0", PKM_ERR_FORMAT, "model.vocab", "byte 0x21"},
    {"\"!\": 0", "\" !\": 0", PKM_ERR_FORMAT, "model.vocab", "alphabet"},
    {"\"!\": 0", "\"\xe6\xbc\xa2\": 0", PKM_ERR_FORMAT, "model.vocab", "alphabet"},
    {"\"!\": 0", "\"\": 0", PKM_ERR_FORMAT, "model.vocab", "0 bytes"},
    {"\"!\": 0,", "", PKM_ERR_FORMAT, "added_tokens[0]", "265"},
    {"\"a t\"", "\"at\"", PKM_ERR_FORMAT, "model.merges[", "neither"},
    {"\"a t\"", "[\"t\"]", PKM_ERR_FORMAT, "model.merges[", "neither"},
    {"\"a t\"", "[\"t\", 3]", PKM_ERR_FORMAT, "model.merges[", "neither"},
    {"\"a t\"", "null", PKM_ERR_FORMAT, "model.merges[", "neither"},
    {"\"a t\"", "\"t qqq\"", PKM_ERR_FORMAT, "model.merges[", "'qqq'"},
    {"\"a t\"", "\"z z\"", PKM_ERR_FORMAT, "model.merges[", "'zz'"},
    {"\"a t\"", "\"a t\", \"a t\"", PKM_ERR_FORMAT, "model.merges[", "repeats"},
    {"\"id\": 265", "\"id\": 5", PKM_ERR_FORMAT, "added_tokens[0]", "id is 5"},
    {"\"content\": \"<|endoftext|>\"", "\"content\": \"<s>\"", PKM_ERR_UNSUPPORTED,
     "added_tokens[0]: content", "<s>"},
    {"\"added_tokens\": [", "\"added_tokens\": [{}, ", PKM_ERR_UNSUPPORTED, "added_tokens",
     "one token"},
    {"\"added_tokens\": [", "\"added_tokens\": 0, \"x\": [", PKM_ERR_FORMAT, "added_tokens", ""},
};

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pkm_tokenizer *tokenizer = NULL;

        write_changed(cases[i].find, cases[i].replacement);
        check_fails(pkm_tokenizer_load(&tokenizer, file), cases[i].status, file, cases[i].culprit,
                    cases[i].reason, NULL);
        assert_null(tokenizer);
    }
}

/* Every prefix of a good file, and a nest of brackets. */
static void test_cut_files(void **state)
{
    size_t bytes = strlen(valid);
    pkm_tokenizer *tokenizer = NULL;
    char nest[400];

    (void)state;
    for (size_t cut = 0; cut < bytes - 2; cut += 1 + bytes / 50) {
        check_ok(pkm_file_write(file, valid, cut));
        check_fails(pkm_tokenizer_load(&tokenizer, file), PKM_ERR_FORMAT, file, NULL);
    }
    memset(nest, '[', sizeof nest);
    check_ok(pkm_file_write(file, nest, sizeof nest));
    check_fails(pkm_tokenizer_load(&tokenizer, file), PKM_ERR_FORMAT, file, "nested", NULL);
    check_fails(pkm_tokenizer_load(&tokenizer, "/nowhere/x"), PKM_ERR_IO, "/nowhere/x", NULL);
    assert_null(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_cut_files),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
