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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_variants),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
