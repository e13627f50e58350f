/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile data sets: meta.json, and the token files it names. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "pkm/data.h"
#include "support/check.h"
#include "support/malformed.h"

static char *folder, *set, *meta, *shard;

/* A set of 9 tokens, 5 of them in train-00000.bin, and nothing held out. */
static int make_folder(void **state)
{
    pkm_tokenizer_train_config learn = {.vocab_size = 257};
    pkm_data_config config = {.shard_tokens = 5};
    pkm_data_summary summary;
    pkm_tokenizer *tokenizer;
    const char *paths[1];
    char *text;

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&text, folder, "nine"));
    check_ok(pkm_path_join(&set, folder, "set"));
    check_ok(pkm_path_join(&meta, set, "meta.json"));
    check_ok(pkm_path_join(&shard, set, "train-00000.bin"));
    malformed_write(text, "!\"#$%&'(", 8);
    paths[0] = text;
    check_ok(pkm_tokenizer_train(&tokenizer, paths, 1, &learn));
    check_ok(pkm_data_prepare(&summary, set, tokenizer, paths, 1, &config));
    pkm_tokenizer_destroy(tokenizer);
    pkm_free(text);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(meta);
    pkm_free(shard);
    pkm_free(set);
    temp_remove(folder);
    return 0;
}

static pkm_status read_side(pkm_split split)
{
    int32_t ids[64];
    pkm_data *data = NULL;
    pkm_status status = pkm_data_open(&data, set, split);

    if (status != PKM_OK) {
        assert_null(data);
        return status;
    }
    assert_in_range(pkm_data_tokens(data), 0, 64);
    status = pkm_data_read(data, ids, 0, pkm_data_tokens(data));
    pkm_data_close(data);
    return status;
}

/* Everything that meta.json speaks of. */
static pkm_status read_set(const char *path)
{
    pkm_status status = read_side(PKM_SPLIT_TRAIN);

    (void)path;
    return status == PKM_OK ? read_side(PKM_SPLIT_VAL) : status;
}

static const malformed_case metas[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"line 1"}},
    {"a list", {0}, BYTES("[]"), PKM_ERR_FORMAT, {"not a JSON object"}},
    {"nothing in it", {0}, BYTES("{}"), PKM_ERR_FORMAT, {"format_version", "missing"}},
    {"no opening", BYTES("{"), {0}, PKM_ERR_FORMAT, {"line"}},
    {"duplicate field", BYTES("'val'"), BYTES("'train'"), PKM_ERR_FORMAT, {"duplicate"}},
    {"NUL in a string", BYTES("'train-"), BYTES("'\\u0000train-"), PKM_ERR_FORMAT, {"line"}},
    {"version 0", BYTES("version': 1"), BYTES("version': 0"), PKM_ERR_FORMAT, {"is 0"}},
    {"version 2", BYTES("version': 1"), BYTES("version': 2"), PKM_ERR_UNSUPPORTED, {"is 2"}},
    {"version a text",
     BYTES("version': 1"),
     BYTES("version': '1'"),
     PKM_ERR_FORMAT,
     {"format_version"}},
    {"no vocabulary",
     BYTES("'vocab_size'"),
     BYTES("'x'"),
     PKM_ERR_FORMAT,
     {"vocab_size", "missing"}},
    {"vocabulary 0", BYTES("': 257"), BYTES("': 0"), PKM_ERR_FORMAT, {"vocab_size is 0"}},
    {"vocabulary -257", BYTES("': 257"), BYTES("': -257"), PKM_ERR_FORMAT, {"vocab_size is -257"}},
    {"vocabulary without all bytes", BYTES("': 257"), BYTES("': 256"), PKM_ERR_FORMAT, {"257 to"}},
    {"vocabulary 4 M + 1", BYTES("': 257"), BYTES("': 4194305"), PKM_ERR_FORMAT, {"4194305"}},
    {"no hash", BYTES("'tokenizer_hash'"), BYTES("'x'"), PKM_ERR_FORMAT, {"tokenizer_hash"}},
    {"hash too long", BYTES("_hash': '"), BYTES("_hash': '0"), PKM_ERR_FORMAT, {"32"}},
    {"hash in capitals", BYTES("_hash': '"), BYTES("_hash': 'Z"), PKM_ERR_FORMAT, {"32"}},
    {"hash empty",
     BYTES("_hash': '"),
     BYTES("_hash': '', 'x': '"),
     PKM_ERR_FORMAT,
     {"tokenizer_hash"}},
    {"hash null",
     BYTES("_hash': '"),
     BYTES("_hash': null, 'x': '"),
     PKM_ERR_FORMAT,
     {"tokenizer_hash"}},
    {"no side", BYTES("'train'"), BYTES("'training'"), PKM_ERR_FORMAT, {"train", "missing"}},
    {"a side a list", BYTES("'val': {"), BYTES("'val': [], 'x': {"), PKM_ERR_FORMAT, {"val is"}},
    {"documents 1.5",
     BYTES("documents': 1"),
     BYTES("documents': 1.5"),
     PKM_ERR_FORMAT,
     {"documents"}},
    {"documents -1", BYTES("documents': 1"), BYTES("documents': -1"), PKM_ERR_FORMAT, {"is -1"}},
    {"more documents than tokens",
     BYTES("documents': 1"),
     BYTES("documents': 10"),
     PKM_ERR_FORMAT,
     {"train: documents is 10", "its 9 tokens"}},
    {"bytes -1", BYTES("bytes': 8"), BYTES("bytes': -1"), PKM_ERR_FORMAT, {"bytes is -1"}},
    {"tokens 8", BYTES("tokens': 9"), BYTES("tokens': 8"), PKM_ERR_FORMAT, {"the shards hold 9"}},
    {"tokens 2^63",
     BYTES("tokens': 9"),
     BYTES("tokens': 9223372036854775808"),
     PKM_ERR_FORMAT,
     {"too big"}},
    {"tokens of a shard 0",
     BYTES("tokens': 5"),
     BYTES("tokens': 0"),
     PKM_ERR_FORMAT,
     {"shards[0]"}},
    {"tokens of a shard -5", BYTES("tokens': 5"), BYTES("tokens': -5"), PKM_ERR_FORMAT, {"is -5"}},
    {"tokens of a shard 2^31",
     BYTES("tokens': 5"),
     BYTES("tokens': 2147483648"),
     PKM_ERR_FORMAT,
     {"shards[0]", "2147483648"}},
    {"one token moved",
     BYTES("tokens': 5"),
     BYTES("tokens': 6"),
     PKM_ERR_FORMAT,
     {"the shards hold 10"}},
    {"shards an object",
     BYTES("shards': ["),
     BYTES("shards': {}, 'x': ["),
     PKM_ERR_FORMAT,
     {"train: shards is an object"}},
    {"a shard a number",
     BYTES("shards': ["),
     BYTES("shards': [3, "),
     PKM_ERR_FORMAT,
     {"shards[0]"}},
    {"a shard without name", BYTES("'name'"), BYTES("'x'"), PKM_ERR_FORMAT, {"name is missing"}},
    {"a shard above the folder",
     BYTES("'train-00000.bin'"),
     BYTES("'../train-00000.bin'"),
     PKM_ERR_FORMAT,
     {"shards[0]: name", "expected train-00000.bin"}},
    {"a shard with a root",
     BYTES("'train-00000.bin'"),
     BYTES("'/etc/passwd'"),
     PKM_ERR_FORMAT,
     {"shards[0]: name is /etc/passwd"}},
    {"a shard of Windows",
     BYTES("'train-00000.bin'"),
     BYTES("'..\\\\train-00000.bin'"),
     PKM_ERR_FORMAT,
     {"shards[0]: name"}},
    {"a shard below a folder",
     BYTES("'train-00000.bin'"),
     BYTES("'./train-00000.bin'"),
     PKM_ERR_FORMAT,
     {"shards[0]: name"}},
    {"a shard of the other side",
     BYTES("'train-00000.bin'"),
     BYTES("'val-00000.bin'"),
     PKM_ERR_FORMAT,
     {"shards[0]: name is val-00000.bin"}},
    {"one shard twice",
     BYTES("'train-00001.bin'"),
     BYTES("'train-00000.bin'"),
     PKM_ERR_FORMAT,
     {"shards[1]: name", "expected train-00001.bin"}},
    {"a name of 70 letters",
     BYTES("'train-00000.bin'"),
     BYTES("'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'"),
     PKM_ERR_FORMAT,
     {"expected train-00000.bin"}},
};

static void test_metas(void **state)
{
    const malformed_format format = {
        .name = "meta.json", .file = meta, .quotes = true, .read = read_set};

    (void)state;
    malformed_check(&format, metas, sizeof metas / sizeof metas[0]);
}

#define HEADER "\x88\xd8\x34\1\1\0\0\0\5\0\0\0"

static const malformed_case shards[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"0 bytes", "header"}},
    {"a header alone", {0}, BYTES(HEADER), PKM_ERR_FORMAT, {"12 bytes", "header"}},
    {"a byte missing", BYTES("\0\4\0"), BYTES("\0\4"), PKM_ERR_FORMAT, {"expected 1034"}},
    {"a byte more", BYTES("\0\4\0"), BYTES("\0\4\0\0"), PKM_ERR_FORMAT, {"expected 1034"}},
    {"magic 0", BYTES("\x88\xd8\x34\1"), BYTES("\0\0\0\0"), PKM_ERR_FORMAT, {"magic is 0"}},
    {"magic big-endian",
     BYTES("\x88\xd8\x34\1"),
     BYTES("\1\x34\xd8\x88"),
     PKM_ERR_FORMAT,
     {"magic"}},
    {"magic of multiple choice", BYTES("\x88"), BYTES("\x8a"), PKM_ERR_FORMAT, {"20240522"}},
    {"magic of a tokenizer", BYTES("\x88\xd8"), BYTES("\xc8\xd7"), PKM_ERR_FORMAT, {"20240328"}},
    {"magic of wide ids", BYTES("\x88\xd8"), BYTES("\xa1\xd9"), PKM_ERR_FORMAT, {"version is 1"}},
    {"version 0", BYTES("\1\1\0\0\0"), BYTES("\1\0\0\0\0"), PKM_ERR_FORMAT, {"version is 0"}},
    {"version 7", BYTES("\1\1\0\0\0"), BYTES("\1\7\0\0\0"), PKM_ERR_FORMAT, {"version is 7"}},
    {"count 0", BYTES("\0\5\0\0\0"), BYTES("\0\0\0\0\0"), PKM_ERR_FORMAT, {"expected 1024"}},
    {"count 4", BYTES("\0\5\0\0\0"), BYTES("\0\4\0\0\0"), PKM_ERR_FORMAT, {"expected 1032"}},
    {"count 6", BYTES("\0\5\0\0\0"), BYTES("\0\6\0\0\0"), PKM_ERR_FORMAT, {"expected 1036"}},
    {"count -1", BYTES("\0\5\0\0\0"), BYTES("\0\xff\xff\xff\xff"), PKM_ERR_FORMAT, {"count is -1"}},
    {"count -2^31", BYTES("\0\5\0\0\0"), BYTES("\0\0\0\0\x80"), PKM_ERR_FORMAT, {"-2147483648"}},
    {"count 2^31 - 1",
     BYTES("\0\5\0\0\0"),
     BYTES("\0\xff\xff\xff\x7f"),
     PKM_ERR_FORMAT,
     {"expected 4294968318"}},
    {"the third word set",
     BYTES("\0\5\0\0\0\0\0\0\0"),
     BYTES("\0\5\0\0\0\1\0\0\0"),
     PKM_ERR_FORMAT,
     {"word 3 is 1"}},
    {"the last word set",
     BYTES("\0\0\0\0\0\0\1\0\2\0"),
     BYTES("\xff\xff\xff\xff\0\0\1\0\2\0"),
     PKM_ERR_FORMAT,
     {"word 255 is -1"}},
    {"wide ids in a small vocabulary",
     BYTES(HEADER "\0"),
     BYTES("\xa1\xd9\x34\1\7\0\0\0\5\0\0\0\0"),
     PKM_ERR_FORMAT,
     {"expected 1044"}},
    {"an id at the vocabulary's size",
     BYTES("\0\0\1\0\2\0"),
     BYTES("\1\1\1\0\2\0"),
     PKM_ERR_FORMAT,
     {"token 0 is 257: expected an id below 257"}},
    {"id 65535 at the end",
     BYTES("\0\4\0"),
     BYTES("\0\xff\xff"),
     PKM_ERR_FORMAT,
     {"token 4 is 65535"}},
};

static void test_shards(void **state)
{
    const malformed_format format = {.name = "token file", .file = shard, .read = read_set};

    (void)state;
    malformed_check(&format, shards, sizeof shards / sizeof shards[0]);
}

/* A whole token file of as many wider ids. */
static void test_wide_shard(void **state)
{
    int32_t words[256 + 5] = {20240801, 7, 5};

    (void)state;
    malformed_write(shard, words, sizeof words);
    check_fails(read_set(set), PKM_ERR_FORMAT, shard,
                "ids of 4 bytes: expected 2 for a vocabulary of 257", NULL);
}

/* Files of a set that are no files: the same kind of sentence for each, and no waiting. */
static void test_no_regular_files(void **state)
{
    char elsewhere[4096];

    (void)state;
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
    assert_int_equal(rename(shard, elsewhere), 0);
    check_fails(read_set(set), PKM_ERR_IO, shard, "cannot open", NULL);
    assert_int_equal(symlink(elsewhere, shard), 0);
    check_fails(read_set(set), PKM_ERR_IO, shard, "is a symbolic link", NULL);
    assert_int_equal(unlink(shard), 0);
    assert_int_equal(mkfifo(shard, 0600), 0);
    check_fails(read_set(set), PKM_ERR_IO, shard, "is a pipe: expected a regular file", NULL);
    assert_int_equal(unlink(shard), 0);
    assert_int_equal(mkdir(shard, 0700), 0);
    check_fails(read_set(set), PKM_ERR_IO, shard, "is a folder", NULL);
    assert_int_equal(rmdir(shard), 0);
    assert_int_equal(rename(elsewhere, shard), 0);
    check_ok(read_set(set));
    assert_int_equal(unlink(meta), 0);
    assert_int_equal(symlink("/dev/zero", meta), 0);
    check_fails(read_set(set), PKM_ERR_IO, meta, "is a device", NULL);
}

/* What opening does not see: other ids, all of them inside the vocabulary. */
static void test_verify(void **state)
{
    char *data;
    size_t bytes;

    (void)state;
    check_ok(pkm_data_verify(set, NULL, NULL));
    check_ok(pkm_file_read(&data, &bytes, shard, 1 << 20));
    data[1024] ^= 1;
    malformed_write(shard, data, bytes);
    check_ok(read_set(set));
    check_fails(pkm_data_verify(set, NULL, NULL), PKM_ERR_FORMAT, shard, "checksum", "meta.json",
                NULL);
    check_fails(pkm_data_verify("/nowhere", NULL, NULL), PKM_ERR_IO, "/nowhere/meta.json", NULL);
    pkm_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metas, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_shards, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_wide_shard, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_no_regular_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_verify, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
