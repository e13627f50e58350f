/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile files of a run: MANIFEST.json, state.json, and the pointers that name a checkpoint. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/manifest.h"
#include "models/model_dir.h"
#include "support/check.h"
#include "support/malformed.h"
#include "train/state.h"

static char *folder, *manifest, *state_file, *pointer;

/* folder/name; pkm_free'd by the caller. */
static char *in_folder(const char *name)
{
    char *path;

    check_ok(pkm_path_join(&path, folder, name));
    return path;
}

/* A folder with a file of three bytes and its manifest, a state, a config and a pointer to it. */
static int make_folder(void **state)
{
    static const char *const names[] = {"small"};
    char options[] = "{\"layers\":3}", hash[] = "0123456789abcdef0123456789abcdef";
    const pkm_train_state saved = {.step = 40,
                                   .tokens = 5120,
                                   .wall = 1.5,
                                   .smoothed_loss = 2.25,
                                   .observed = 30,
                                   .best_val_loss = 3.5,
                                   .best_step = 20,
                                   .metrics_bytes = 100,
                                   .data_hash = hash,
                                   .options = options};
    const pkm_gpt_config config = {.vocab_size = 31,
                                   .seq_len = 8,
                                   .dim = 12,
                                   .layers = 1,
                                   .attn_heads = 3,
                                   .ffn_dim = 48,
                                   .norm_epsilon = 1e-5};
    char *small, *checkpoint;

    (void)state;
    folder = temp_create();
    manifest = in_folder("MANIFEST.json");
    state_file = in_folder("state.json");
    pointer = in_folder("best");
    small = in_folder("small");
    checkpoint = in_folder("step-00000040");
    malformed_write(small, "abc", 3);
    check_ok(pkm_manifest_write(folder, names, 1));
    check_ok(pkm_train_state_save(folder, &saved));
    check_ok(pkm_directory_create(checkpoint));
    check_ok(pkm_model_dir_save_config(checkpoint, &config, NULL));
    malformed_write(pointer, "step-00000040\n", 14);
    pkm_free(small);
    pkm_free(checkpoint);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(manifest);
    pkm_free(state_file);
    pkm_free(pointer);
    temp_remove(folder);
    return 0;
}

static pkm_status check_manifest(const char *path)
{
    static const char *const names[] = {"small"};

    (void)path;
    return pkm_manifest_check(folder, names, 1, PKM_VERIFY_FULL);
}

static const malformed_case manifests[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"line 1"}},
    {"a list", {0}, BYTES("[]"), PKM_ERR_FORMAT, {"format is missing"}},
    {"nothing in it", {0}, BYTES("{}"), PKM_ERR_FORMAT, {"format is missing"}},
    {"text after it", {0}, BYTES("{}{}"), PKM_ERR_FORMAT, {"line 1"}},
    {"duplicate field", BYTES("'files'"), BYTES("'format'"), PKM_ERR_FORMAT, {"duplicate"}},
    {"format a text", BYTES("'format': 1"), BYTES("'format': '1'"), PKM_ERR_FORMAT, {"format"}},
    {"format 0", BYTES("'format': 1"), BYTES("'format': 0"), PKM_ERR_FORMAT, {"format is 0"}},
    {"format -1", BYTES("'format': 1"), BYTES("'format': -1"), PKM_ERR_FORMAT, {"format is -1"}},
    {"format 2",
     BYTES("'format': 1"),
     BYTES("'format': 2"),
     PKM_ERR_UNSUPPORTED,
     {"newer version"}},
    {"blocks of 1", BYTES("': 16777216"), BYTES("': 1"), PKM_ERR_FORMAT, {"block_bytes is 1"}},
    {"blocks of 0", BYTES("': 16777216"), BYTES("': 0"), PKM_ERR_FORMAT, {"block_bytes is 0"}},
    {"blocks of 2^63",
     BYTES("': 16777216"),
     BYTES("': 9223372036854775808"),
     PKM_ERR_FORMAT,
     {"too big"}},
    {"no files", BYTES("'files'"), BYTES("'x'"), PKM_ERR_FORMAT, {"files is missing"}},
    {"files an object",
     BYTES("'files': ["),
     BYTES("'files': {}, 'x': ["),
     PKM_ERR_FORMAT,
     {"files"}},
    {"a file that is not listed",
     BYTES("'files': ["),
     BYTES("'files': [], 'x': ["),
     PKM_ERR_FORMAT,
     {"does not list small"}},
    {"a file a text", BYTES("'files': ["), BYTES("'files': ['small', "), PKM_ERR_FORMAT, {"name"}},
    {"no name", BYTES("'name'"), BYTES("'x'"), PKM_ERR_FORMAT, {"name is missing"}},
    {"name a number", BYTES("'small'"), BYTES("7"), PKM_ERR_FORMAT, {"name is an integer"}},
    {"name empty", BYTES("'small'"), BYTES("''"), PKM_ERR_FORMAT, {"not a plain file name"}},
    {"name above the folder",
     BYTES("'small'"),
     BYTES("'../small'"),
     PKM_ERR_FORMAT,
     {"'../small'"}},
    {"name with a root", BYTES("'small'"), BYTES("'/etc/passwd'"), PKM_ERR_FORMAT, {"plain file"}},
    {"name of the folder", BYTES("'small'"), BYTES("'.'"), PKM_ERR_FORMAT, {"plain file name"}},
    {"name below", BYTES("'small'"), BYTES("'a/b'"), PKM_ERR_FORMAT, {"'a/b'"}},
    {"NUL in a name", BYTES("'small'"), BYTES("'small\\u0000x'"), PKM_ERR_FORMAT, {"line"}},
    {"no size", BYTES("'bytes': 3"), BYTES("'x': 3"), PKM_ERR_FORMAT, {"bytes is missing"}},
    {"size -1", BYTES("'bytes': 3"), BYTES("'bytes': -1"), PKM_ERR_FORMAT, {"bytes is -1"}},
    {"size a real", BYTES("'bytes': 3"), BYTES("'bytes': 3.0"), PKM_ERR_FORMAT, {"bytes"}},
    {"no sums", BYTES("'crc32'"), BYTES("'x'"), PKM_ERR_FORMAT, {"crc32 is missing"}},
    {"sums an object",
     BYTES("'crc32': ["),
     BYTES("'crc32': {}, 'x': ["),
     PKM_ERR_FORMAT,
     {"crc32"}},
};

/* What the manifest says against the file: the message names the file. */
static const malformed_case sums[] = {
    {"size 2", BYTES("'bytes': 3"), BYTES("'bytes': 2"), PKM_ERR_FORMAT, {"3 bytes", "says 2"}},
    {"size 2^63 - 1",
     BYTES("'bytes': 3"),
     BYTES("'bytes': 9223372036854775807"),
     PKM_ERR_FORMAT,
     {"3 bytes"}},
    {"no sum", BYTES("'crc32': ["), BYTES("'crc32': [], 'x': ["), PKM_ERR_FORMAT, {"0 checksums"}},
    {"a sum more", BYTES("'crc32': ["), BYTES("'crc32': [1, "), PKM_ERR_FORMAT, {"2 checksums"}},
    {"another sum", BYTES("'crc32': ["), BYTES("'crc32': [1], 'x': ["), PKM_ERR_FORMAT, {"differ"}},
    {"sum -1", BYTES("'crc32': ["), BYTES("'crc32': [-1], 'x': ["), PKM_ERR_FORMAT, {"differ"}},
    {"sum a text",
     BYTES("'crc32': ["),
     BYTES("'crc32': ['1'], 'x': ["),
     PKM_ERR_FORMAT,
     {"differ"}},
    {"sum + 2^32",
     BYTES("891568578"),
     BYTES("5186535874"),
     PKM_ERR_FORMAT,
     {"differ from the checksum"}},
};

static void test_manifests(void **state)
{
    malformed_format format = {
        .name = "MANIFEST.json", .file = manifest, .quotes = true, .read = check_manifest};

    (void)state;
    malformed_check(&format, manifests, sizeof manifests / sizeof manifests[0]);
    format.name = "MANIFEST.json against files";
    format.names = "/small";
    malformed_check(&format, sums, sizeof sums / sizeof sums[0]);
}

static pkm_status read_state(const char *path)
{
    pkm_train_state loaded;
    pkm_status status = pkm_train_state_load(&loaded, folder);

    (void)path;
    if (status == PKM_OK)
        pkm_train_state_release(&loaded);
    return status;
}

static const malformed_case states[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"line 1"}},
    {"a list", {0}, BYTES("[]"), PKM_ERR_FORMAT, {"format is missing"}},
    {"cut", BYTES("\n}"), BYTES("\n"), PKM_ERR_FORMAT, {"line"}},
    {"duplicate field", BYTES("'tokens'"), BYTES("'step'"), PKM_ERR_FORMAT, {"duplicate"}},
    {"format 0", BYTES("'format': 1"), BYTES("'format': 0"), PKM_ERR_FORMAT, {"format is 0"}},
    {"format 2",
     BYTES("'format': 1"),
     BYTES("'format': 2"),
     PKM_ERR_UNSUPPORTED,
     {"newer version"}},
    {"no step", BYTES("'step': 40"), BYTES("'x': 40"), PKM_ERR_FORMAT, {"step is missing"}},
    {"step -1", BYTES("'step': 40"), BYTES("'step': -1"), PKM_ERR_FORMAT, {"step is -1"}},
    {"step 2^32", BYTES("'step': 40"), BYTES("'step': 4294967296"), PKM_ERR_FORMAT, {"step is"}},
    {"step a real", BYTES("'step': 40"), BYTES("'step': 40.5"), PKM_ERR_FORMAT, {"step is a real"}},
    {"step null", BYTES("'step': 40"), BYTES("'step': null"), PKM_ERR_FORMAT, {"step is missing"}},
    {"tokens -1", BYTES("'tokens': 5120"), BYTES("'tokens': -1"), PKM_ERR_FORMAT, {"tokens is -1"}},
    {"tokens 2^63", BYTES("5120"), BYTES("9223372036854775808"), PKM_ERR_FORMAT, {"too big"}},
    {"negative time", BYTES("'wall': 1.5"), BYTES("'wall': -1"), PKM_ERR_FORMAT, {"wall is -1"}},
    {"time a text", BYTES("'wall': 1.5"), BYTES("'wall': '1'"), PKM_ERR_FORMAT, {"wall", "number"}},
    {"loss NaN", BYTES("2.25"), BYTES("NaN"), PKM_ERR_FORMAT, {"line"}},
    {"loss infinite", BYTES("2.25"), BYTES("Infinity"), PKM_ERR_FORMAT, {"line"}},
    {"loss 1e999", BYTES("2.25"), BYTES("1e999"), PKM_ERR_FORMAT, {"line"}},
    {"loss true", BYTES("2.25"), BYTES("true"), PKM_ERR_FORMAT, {"smoothed_loss", "number"}},
    {"more observed than steps",
     BYTES("'observed': 30"),
     BYTES("'observed': 41"),
     PKM_ERR_FORMAT,
     {"observed is 41"}},
    {"more skipped than steps",
     BYTES("'skipped': 0"),
     BYTES("'skipped': 41"),
     PKM_ERR_FORMAT,
     {"skipped is 41"}},
    {"more in a row than skipped",
     BYTES("in_row': 0"),
     BYTES("in_row': 1"),
     PKM_ERR_FORMAT,
     {"skipped_in_row is 1"}},
    {"rewinds -1",
     BYTES("'rewinds': 0"),
     BYTES("'rewinds': -1"),
     PKM_ERR_FORMAT,
     {"rewinds is -1"}},
    {"best after the last",
     BYTES("_step': 20"),
     BYTES("_step': 41"),
     PKM_ERR_FORMAT,
     {"best_step is 41", "0 to 40"}},
    {"best -1", BYTES("_step': 20"), BYTES("_step': -1"), PKM_ERR_FORMAT, {"best_step is -1"}},
    {"log of -1 bytes",
     BYTES("bytes': 100"),
     BYTES("bytes': -1"),
     PKM_ERR_FORMAT,
     {"metrics_bytes"}},
    {"no hash", BYTES("'data_hash'"), BYTES("'x'"), PKM_ERR_FORMAT, {"data_hash is missing"}},
    {"hash a number",
     BYTES("'data_hash': '"),
     BYTES("'data_hash': 1, 'x': '"),
     PKM_ERR_FORMAT,
     {"data_hash is an integer"}},
    {"NUL in the hash",
     BYTES("'data_hash': '"),
     BYTES("'data_hash': '\\u0000"),
     PKM_ERR_FORMAT,
     {"line"}},
    {"instruction set a number",
     BYTES("'isa': '"),
     BYTES("'isa': 1, 'x': '"),
     PKM_ERR_FORMAT,
     {"isa is an integer"}},
    {"no options", BYTES("'options'"), BYTES("'x'"), PKM_ERR_FORMAT, {"options is missing"}},
    {"options a list",
     BYTES("'options': {"),
     BYTES("'options': [], 'x': {"),
     PKM_ERR_FORMAT,
     {"options is an array"}},
};

static void test_states(void **state)
{
    const malformed_format format = {
        .name = "state.json", .file = state_file, .quotes = true, .read = read_state};

    (void)state;
    malformed_check(&format, states, sizeof states / sizeof states[0]);
}

static pkm_status read_pointer(const char *path)
{
    pkm_gpt_config config;

    return pkm_model_dir_load_config(&config, path);
}

static const malformed_case pointers[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"not a model"}},
    {"a newline", {0}, BYTES("\n"), PKM_ERR_FORMAT, {"not a model"}},
    {"a NUL", {0}, BYTES("\0step-00000040"), PKM_ERR_FORMAT, {"not a model"}},
    {"above the folder", {0}, BYTES("../step-00000040"), PKM_ERR_FORMAT, {"not a model"}},
    {"a root", {0}, BYTES("/etc"), PKM_ERR_FORMAT, {"not a model"}},
    {"the folder above", {0}, BYTES(".."), PKM_ERR_FORMAT, {"not a model"}},
    {"the folder itself", {0}, BYTES("."), PKM_ERR_FORMAT, {"not a model"}},
    {"a hidden folder", {0}, BYTES(".tmp"), PKM_ERR_FORMAT, {"not a model"}},
    {"below a folder", {0}, BYTES("step-00000040/x"), PKM_ERR_FORMAT, {"not a model"}},
    {"a slash at the end", {0}, BYTES("step-00000040/"), PKM_ERR_FORMAT, {"not a model"}},
    {"256 letters",
     {0},
     BYTES(
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"),
     PKM_ERR_FORMAT,
     {"not a model"}},
    {"a folder that is not there", {0}, BYTES("step-00000041"), PKM_ERR_IO, {"step-00000041"}},
    {"a file that is no folder", {0}, BYTES("small"), PKM_ERR_IO, {"not a model"}},
    {"itself", {0}, BYTES("best"), PKM_ERR_IO, {"not a model"}},
};

static void test_pointers(void **state)
{
    const malformed_format format = {
        .name = "pointer", .file = pointer, .names = "/", .read = read_pointer};

    (void)state;
    malformed_check(&format, pointers, sizeof pointers / sizeof pointers[0]);
}

/* Names of our own making are never links, wherever they lead. */
static void test_links(void **state)
{
    char *small = in_folder("small"), *elsewhere = in_folder("elsewhere");

    (void)state;
    assert_int_equal(rename(small, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, small), 0);
    check_fails(check_manifest(manifest), PKM_ERR_IO, small, "is a symbolic link", NULL);
    pkm_free(small);
    pkm_free(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_manifests, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_states, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_pointers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_links, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
