/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile tokenizer.json: pipelines we do not compute, vocabularies and merges that contradict
 * themselves. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "pkm/tokenizer.h"
#include "support/check.h"
#include "support/malformed.h"

static char *folder, *file;

/* A tokenizer of 266 tokens, the last of which is the end of text. */
static int make_folder(void **state)
{
    static const char text[] = "the cat sat on the mat; the dog sat on the log\n";
    pkm_tokenizer_train_config config = {.vocab_size = 266};
    pkm_tokenizer *tokenizer;
    const char *paths[1];
    char *corpus;

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&file, folder, "tokenizer.json"));
    check_ok(pkm_path_join(&corpus, folder, "corpus.txt"));
    malformed_write(corpus, text, sizeof text - 1);
    paths[0] = corpus;
    check_ok(pkm_tokenizer_train(&tokenizer, paths, 1, &config));
    check_ok(pkm_tokenizer_save(tokenizer, folder));
    pkm_tokenizer_destroy(tokenizer);
    pkm_free(corpus);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(file);
    temp_remove(folder);
    return 0;
}

/* What is loaded encodes any bytes, and decodes to them again. */
static pkm_status read_tokenizer(const char *path)
{
    static const char text[] = "the cat\xff\xc3 sat \xe6\xbc\xa2\n\0 log";
    pkm_tokenizer *tokenizer = NULL;
    pkm_encoder *encoder;
    const int32_t *ids;
    int64_t n_ids;
    char *back;
    size_t bytes;
    pkm_status status = pkm_tokenizer_load(&tokenizer, path);

    if (status != PKM_OK) {
        assert_null(tokenizer);
        return status;
    }
    check_ok(pkm_encoder_create(&encoder, tokenizer));
    check_ok(pkm_encoder_encode(encoder, &ids, &n_ids, text, sizeof text - 1));
    check_ok(pkm_tokenizer_decode(tokenizer, &back, &bytes, ids, n_ids));
    assert_int_equal(bytes, sizeof text - 1);
    assert_memory_equal(back, text, bytes);
    pkm_free(back);
    pkm_encoder_destroy(encoder);
    pkm_tokenizer_destroy(tokenizer);
    return PKM_OK;
}

static const malformed_case cases[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"line 1"}},
    {"a list", {0}, BYTES("[]"), PKM_ERR_FORMAT, {"not a JSON object"}},
    {"nothing in it", {0}, BYTES("{}"), PKM_ERR_FORMAT, {"pre_tokenizer", "missing"}},
    {"vocab.txt of BERT", {0}, BYTES("[PAD]\n[UNK]\n"), PKM_ERR_FORMAT, {"line 1"}},
    {"a model of SentencePiece", {0}, BYTES("\n\16\n\5<unk>\25\0\0"), PKM_ERR_FORMAT, {"line"}},
    {"merges.txt of GPT-2", {0}, BYTES("#version: 0.2\n"), PKM_ERR_FORMAT, {"line 1"}},
    {"no opening", BYTES("{"), {0}, PKM_ERR_FORMAT, {"line 2"}},
    {"another opening", BYTES("{"), BYTES("["), PKM_ERR_FORMAT, {"line 2"}},
    {"duplicate field",
     BYTES("'version'"),
     BYTES("'model'"),
     PKM_ERR_FORMAT,
     {"duplicate", "model"}},
    {"bad UTF-8", BYTES("'1.0'"), BYTES("'\xff'"), PKM_ERR_FORMAT, {"unable to decode byte 0xff"}},
    {"no model", BYTES("'model'"), BYTES("'models'"), PKM_ERR_FORMAT, {"model", "missing"}},
    {"model a list",
     BYTES("'model': {"),
     BYTES("'model': [], 'x': {"),
     PKM_ERR_FORMAT,
     {"an array"}},
    {"a normalizer",
     BYTES("'normalizer': null"),
     BYTES("'normalizer': {'type': 'NFC'}"),
     PKM_ERR_UNSUPPORTED,
     {"normalizer", "none"}},
    {"truncation",
     BYTES("'truncation': null"),
     BYTES("'truncation': {}"),
     PKM_ERR_UNSUPPORTED,
     {"truncation", "none"}},
    {"padding",
     BYTES("'padding': null"),
     BYTES("'padding': {'pad_id': 0}"),
     PKM_ERR_UNSUPPORTED,
     {"padding", "none"}},
    {"no pre_tokenizer",
     BYTES("'pre_tokenizer'"),
     BYTES("'pre'"),
     PKM_ERR_FORMAT,
     {"pre_tokenizer"}},
    {"pre_tokenizer a text",
     BYTES("'pre_tokenizer': {"),
     BYTES("'pre_tokenizer': 'ByteLevel', 'x': {"),
     PKM_ERR_FORMAT,
     {"pre_tokenizer is a string"}},
    {"pre_tokenizer of others",
     BYTES("'type': 'ByteLevel'"),
     BYTES("'type': 'Whitespace'"),
     PKM_ERR_UNSUPPORTED,
     {"pre_tokenizer: type", "expected ByteLevel"}},
    {"pre_tokenizer a sequence",
     BYTES("'type': 'ByteLevel'"),
     BYTES("'type': 'Sequence', 'pretokenizers': []"),
     PKM_ERR_UNSUPPORTED,
     {"type is Sequence"}},
    {"type a number",
     BYTES("'type': 'ByteLevel'"),
     BYTES("'type': 7"),
     PKM_ERR_FORMAT,
     {"integer"}},
    {"type missing",
     BYTES("'type': 'ByteLevel'"),
     BYTES("'x': 1"),
     PKM_ERR_FORMAT,
     {"type is missing"}},
    {"space before the text",
     BYTES("'add_prefix_space': false"),
     BYTES("'add_prefix_space': true"),
     PKM_ERR_UNSUPPORTED,
     {"pre_tokenizer", "add_prefix_space"}},
    {"no split",
     BYTES("'use_regex': true"),
     BYTES("'use_regex': false"),
     PKM_ERR_UNSUPPORTED,
     {"pre_tokenizer", "use_regex"}},
    {"a flag that is a number",
     BYTES("'use_regex': true"),
     BYTES("'use_regex': 1"),
     PKM_ERR_FORMAT,
     {"pre_tokenizer", "use_regex"}},
    {"another post_processor",
     BYTES("'post_processor': null"),
     BYTES("'post_processor': {'type': 'TemplateProcessing'}"),
     PKM_ERR_UNSUPPORTED,
     {"post_processor: type", "TemplateProcessing"}},
    {"another decoder",
     BYTES("'decoder': {\n    'type': 'ByteLevel'"),
     BYTES("'decoder': {\n    'type': 'WordPiece'"),
     PKM_ERR_UNSUPPORTED,
     {"decoder: type", "WordPiece"}},
    {"another model",
     BYTES("'type': 'BPE'"),
     BYTES("'type': 'Unigram'"),
     PKM_ERR_UNSUPPORTED,
     {"model: type", "expected BPE"}},
    {"whole words first",
     BYTES("'ignore_merges': false"),
     BYTES("'ignore_merges': true"),
     PKM_ERR_UNSUPPORTED,
     {"model", "ignore_merges"}},
    {"tokens for unknown bytes",
     BYTES("'byte_fallback': false"),
     BYTES("'byte_fallback': true"),
     PKM_ERR_UNSUPPORTED,
     {"model", "byte_fallback"}},
    {"a token for the unknown",
     BYTES("'unk_token': null"),
     BYTES("'unk_token': '!'"),
     PKM_ERR_UNSUPPORTED,
     {"model", "unk_token"}},
    {"random merges",
     BYTES("'dropout': null"),
     BYTES("'dropout': 0.1"),
     PKM_ERR_UNSUPPORTED,
     {"model", "dropout"}},
    {"suffix of words",
     BYTES("'end_of_word_suffix': ''"),
     BYTES("'end_of_word_suffix': '</w>'"),
     PKM_ERR_UNSUPPORTED,
     {"end_of_word_suffix"}},
    {"vocabulary a number",
     BYTES("'vocab': {"),
     BYTES("'vocab': 3, 'x': {"),
     PKM_ERR_FORMAT,
     {"vocab", "an integer"}},
    {"vocabulary a list",
     BYTES("'vocab': {"),
     BYTES("'vocab': [], 'x': {"),
     PKM_ERR_FORMAT,
     {"vocab", "an array"}},
    {"vocabulary empty",
     BYTES("'vocab': {"),
     BYTES("'vocab': {}, 'x': {"),
     PKM_ERR_FORMAT,
     {"added_tokens[0]", "expected 0 to 0"}},
    {"vocabulary missing",
     BYTES("'vocab': {"),
     BYTES("'x': {"),
     PKM_ERR_FORMAT,
     {"vocab", "missing"}},
    {"merges missing",
     BYTES("'merges': ["),
     BYTES("'x': ["),
     PKM_ERR_FORMAT,
     {"merges", "missing"}},
    {"merges an object",
     BYTES("'merges': ["),
     BYTES("'merges': {}, 'x': ["),
     PKM_ERR_FORMAT,
     {"merges", "an object"}},
    {"two tokens of one id", BYTES("'!': 0"), BYTES("'!': 1"), PKM_ERR_FORMAT, {"share id 1"}},
    {"one token twice", BYTES("'!': 0"), BYTES("'!': 0, '!': 0"), PKM_ERR_FORMAT, {"duplicate"}},
    {"id -1", BYTES("'!': 0"), BYTES("'!': -1"), PKM_ERR_FORMAT, {"model.vocab", "'!'"}},
    {"id a real", BYTES("'!': 0"), BYTES("'!': 0.0"), PKM_ERR_FORMAT, {"model.vocab", "'!'"}},
    {"id a string", BYTES("'!': 0"), BYTES("'!': '0'"), PKM_ERR_FORMAT, {"model.vocab", "'!'"}},
    {"id null", BYTES("'!': 0"), BYTES("'!': null"), PKM_ERR_FORMAT, {"model.vocab", "'!'"}},
    {"id false", BYTES("'!': 0"), BYTES("'!': false"), PKM_ERR_FORMAT, {"model.vocab", "'!'"}},
    {"id 2^31", BYTES("'!': 0"), BYTES("'!': 2147483648"), PKM_ERR_FORMAT, {"model.vocab", "'!'"}},
    {"id 2^32", BYTES("'!': 0"), BYTES("'!': 4294967296"), PKM_ERR_FORMAT, {"model.vocab", "'!'"}},
    {"id 2^63", BYTES("'!': 0"), BYTES("'!': 9223372036854775808"), PKM_ERR_FORMAT, {"too big"}},
    {"id of the end of text", BYTES("'!': 0"), BYTES("'!': 265"), PKM_ERR_FORMAT, {"'!'", "265"}},
    {"id past the end", BYTES("'!': 0"), BYTES("'!': 266"), PKM_ERR_FORMAT, {"'!'", "0 to 265"}},
    {"a gap in the ids", BYTES("'!': 0,"), {0}, PKM_ERR_FORMAT, {"added_tokens[0]", "265"}},
    {"a byte without token", BYTES("'!': 0"), BYTES("'!!': 0"), PKM_ERR_FORMAT, {"byte 0x21"}},
    {"a space in a token", BYTES("'!': 0"), BYTES("' !': 0"), PKM_ERR_FORMAT, {"byte alphabet"}},
    {"a sign outside the alphabet",
     BYTES("'!': 0"),
     BYTES("'\xe6\xbc\xa2': 0"),
     PKM_ERR_FORMAT,
     {"model.vocab", "byte alphabet"}},
    {"the first sign past the alphabet",
     BYTES("'!': 0"),
     BYTES("'\\u0144': 0"),
     PKM_ERR_FORMAT,
     {"byte alphabet"}},
    {"four bytes of UTF-8",
     BYTES("'!': 0"),
     BYTES("'\\ud83d\\ude00': 0"),
     PKM_ERR_FORMAT,
     {"byte alphabet"}},
    {"NUL in a token", BYTES("'!': 0"), BYTES("'\\u0000': 0"), PKM_ERR_FORMAT, {"line"}},
    {"overlong UTF-8",
     BYTES("'!': 0"),
     BYTES("'\xc0\xa1': 0"),
     PKM_ERR_FORMAT,
     {"unable to decode"}},
    {"empty token", BYTES("'!': 0"), BYTES("'': 0"), PKM_ERR_FORMAT, {"0 bytes"}},
    {"a byte token in its place", BYTES("'!': 0"), BYTES("'<0x21>': 0"), PKM_ERR_FORMAT, {"0x21"}},
    {"a byte token of -1", BYTES("'!': 0"), BYTES("'<0x-1>': 0"), PKM_ERR_FORMAT, {"0x21"}},
    {"merge of one", BYTES("'a t'"), BYTES("'at'"), PKM_ERR_FORMAT, {"model.merges[", "neither"}},
    {"merge of nothing", BYTES("'a t'"), BYTES("''"), PKM_ERR_FORMAT, {"model.merges[", "neither"}},
    {"merge of a blank", BYTES("'a t'"), BYTES("' '"), PKM_ERR_FORMAT, {"'' is not in"}},
    {"merge of three", BYTES("'a t'"), BYTES("'a t h'"), PKM_ERR_FORMAT, {"'t h' is not in"}},
    {"merge with two blanks", BYTES("'a t'"), BYTES("'a  t'"), PKM_ERR_FORMAT, {"' t' is not in"}},
    {"merge list of one", BYTES("'a t'"), BYTES("['t']"), PKM_ERR_FORMAT, {"neither"}},
    {"merge list of three", BYTES("'a t'"), BYTES("['a','t','h']"), PKM_ERR_FORMAT, {"neither"}},
    {"merge with a number", BYTES("'a t'"), BYTES("['t', 3]"), PKM_ERR_FORMAT, {"neither"}},
    {"merge null", BYTES("'a t'"), BYTES("null"), PKM_ERR_FORMAT, {"model.merges[", "neither"}},
    {"merge an object", BYTES("'a t'"), BYTES("{'a':'t'}"), PKM_ERR_FORMAT, {"neither"}},
    {"merge of an absent token", BYTES("'a t'"), BYTES("'t qqq'"), PKM_ERR_FORMAT, {"'qqq'"}},
    {"merge into an absent token", BYTES("'a t'"), BYTES("'z z'"), PKM_ERR_FORMAT, {"'zz'"}},
    {"merge of the end of text",
     BYTES("'a t'"),
     BYTES("['<|endoftext|>', 'a']"),
     PKM_ERR_FORMAT,
     {"'<|endoftext|>' is not in model.vocab"}},
    {"one merge twice", BYTES("'a t'"), BYTES("'a t', 'a t'"), PKM_ERR_FORMAT, {"repeats"}},
    {"one merge twice, in both forms",
     BYTES("'a t'"),
     BYTES("'a t', ['a','t']"),
     PKM_ERR_FORMAT,
     {"model.merges[", "repeats"}},
    {"end of text elsewhere", BYTES("'id': 265"), BYTES("'id': 5"), PKM_ERR_FORMAT, {"id is 5"}},
    {"end of text at -1", BYTES("'id': 265"), BYTES("'id': -1"), PKM_ERR_FORMAT, {"id is -1"}},
    {"end of text past the end",
     BYTES("'id': 265"),
     BYTES("'id': 266"),
     PKM_ERR_FORMAT,
     {"is 266"}},
    {"end of text at 2^32 + 265",
     BYTES("'id': 265"),
     BYTES("'id': 4294967561"),
     PKM_ERR_FORMAT,
     {"id is 4294967561"}},
    {"end of text without id",
     BYTES("'id': 265"),
     BYTES("'x': 265"),
     PKM_ERR_FORMAT,
     {"id is missing"}},
    {"another end of text",
     BYTES("'content': '<|endoftext|>'"),
     BYTES("'content': '<s>'"),
     PKM_ERR_UNSUPPORTED,
     {"added_tokens[0]: content", "<s>"}},
    {"end of text a number",
     BYTES("'content': '<|endoftext|>'"),
     BYTES("'content': 265"),
     PKM_ERR_FORMAT,
     {"added_tokens[0]: content"}},
    {"two added tokens",
     BYTES("'added_tokens': ["),
     BYTES("'added_tokens': [{}, "),
     PKM_ERR_UNSUPPORTED,
     {"added_tokens", "one token"}},
    {"no added token",
     BYTES("'added_tokens': ["),
     BYTES("'added_tokens': [], 'x': ["),
     PKM_ERR_UNSUPPORTED,
     {"added_tokens", "one token"}},
    {"added token a text",
     BYTES("'added_tokens': ["),
     BYTES("'added_tokens': ['<s>'], 'x': ["),
     PKM_ERR_UNSUPPORTED,
     {"added_tokens", "one token"}},
    {"added tokens a number",
     BYTES("'added_tokens': ["),
     BYTES("'added_tokens': 0, 'x': ["),
     PKM_ERR_FORMAT,
     {"added_tokens"}},
};

static void test_cases(void **state)
{
    const malformed_format format = {
        .name = "tokenizer.json", .file = file, .quotes = true, .read = read_tokenizer};

    (void)state;
    malformed_check(&format, cases, sizeof cases / sizeof cases[0]);
}

/* A token of `bytes` bytes, as the end-of-word merge of nothing, put into the good file. */
static void write_long_token(const char *good, size_t bytes)
{
    const char *at = strstr(good, "\"!\": 0");
    size_t before = (size_t)(at - good), room = strlen(good) + bytes + 64;
    char *text = malloc(room);

    memcpy(text, good, before);
    text[before] = '"';
    memset(text + before + 1, 'a', bytes);
    snprintf(text + before + 1 + bytes, room - before - 1 - bytes, "\"%s", at + 3);
    malformed_write(file, text, strlen(text));
    free(text);
}

static void test_limits(void **state)
{
    char *good;
    size_t bytes;

    (void)state;
    check_ok(pkm_file_read(&good, &bytes, file, 1 << 20));
    write_long_token(good, 65536);
    check_fails(read_tokenizer(file), PKM_ERR_FORMAT, file, "byte 0x21", NULL); /* read so far */
    write_long_token(good, 65537);
    check_fails(read_tokenizer(file), PKM_ERR_FORMAT, file, "65537 bytes: expected 1 to 65536",
                NULL);
    assert_int_equal(truncate(file, (off_t)300 << 20), 0);
    check_fails(read_tokenizer(file), PKM_ERR_FORMAT, file, "314572800 bytes, expected at most",
                NULL);
    pkm_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cases, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_limits, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
