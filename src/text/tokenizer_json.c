/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer.json, the format of Hugging Face's `tokenizers`. Read is what means exactly our
 * encoder: a BPE model after the ByteLevel pre-tokenizer, and one added token, the end of text, as
 * the last id. Whatever else a file asks for is refused by name, never guessed at.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "format/json.h"
#include "text/alphabet.h"
#include "text/vocabulary.h"

enum { CONTEXT_BYTES = 512 };

/* What the reading functions share. */
typedef struct reader {
    const char *path;
    const json_t *vocab;
    const char **tokens; /* [n_tokens] strings by id, borrowed from the JSON tree */
    int64_t n_tokens;
    size_t token_bytes; /* of all tokens, an upper bound */
    pkm_strbuf scratch;
    pkm_tokenizer *tokenizer;
} reader;

static pkm_status unsupported(const char *path, const char *field, const char *expected)
{
    return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: %s is not supported: expected %s", path, field,
                    expected);
}

/* A field that must be missing, null, false, 0 or "". */
static pkm_status check_unset(const json_t *object, const char *key, const char *path)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL || json_is_null(value) || json_is_false(value) ||
        (json_is_number(value) && json_number_value(value) == 0) ||
        (json_is_string(value) && json_string_length(value) == 0))
        return PKM_OK;
    return unsupported(path, key, "none");
}

/* A step of the pipeline that must be ByteLevel. */
static pkm_status check_byte_level(const json_t *root, const char *key, bool required,
                                   const char *path)
{
    const json_t *step = NULL;
    const char *type = NULL;
    char context[CONTEXT_BYTES];
    bool prefix_space = false, use_regex = true;

    PKM_TRY(pkm_json_object(root, key, required, &step, path));
    if (step == NULL)
        return PKM_OK;
    snprintf(context, sizeof context, "%s: %s", path, key);
    PKM_TRY(pkm_json_string(step, "type", true, &type, context));
    if (strcmp(type, "ByteLevel") != 0)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: type is %.64s: expected ByteLevel", context,
                        type);
    if (!required) /* the other flags act on the split alone */
        return PKM_OK;
    PKM_TRY(pkm_json_bool(step, "add_prefix_space", false, &prefix_space, context));
    PKM_TRY(pkm_json_bool(step, "use_regex", false, &use_regex, context));
    if (prefix_space)
        return unsupported(context, "add_prefix_space true", "false");
    return use_regex ? PKM_OK : unsupported(context, "use_regex false", "true");
}

static pkm_status check_pipeline(const json_t *root, const char *path)
{
    static const char *const unset[] = {"normalizer", "truncation", "padding"};

    if (!json_is_object(root))
        return pkm_fail(PKM_ERR_FORMAT, "%s: not a JSON object", path);
    for (size_t i = 0; i < sizeof unset / sizeof unset[0]; i++)
        PKM_TRY(check_unset(root, unset[i], path));
    PKM_TRY(check_byte_level(root, "pre_tokenizer", true, path));
    PKM_TRY(check_byte_level(root, "post_processor", false, path));
    return check_byte_level(root, "decoder", false, path);
}

static pkm_status check_model(const json_t *model, const char *path)
{
    static const char *const unset[] = {
        "dropout",       "unk_token",    "continuing_subword_prefix", "end_of_word_suffix",
        "byte_fallback", "ignore_merges"};
    const char *type = "BPE"; /* files of 2020 do not say */

    PKM_TRY(pkm_json_string(model, "type", false, &type, path));
    if (strcmp(type, "BPE") != 0)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: type is %.64s: expected BPE", path, type);
    for (size_t i = 0; i < sizeof unset / sizeof unset[0]; i++)
        PKM_TRY(check_unset(model, unset[i], path));
    return PKM_OK;
}

/* The one added token: its id must be the last. */
static pkm_status read_end_of_text(reader *in, const json_t *root)
{
    const json_t *added;
    const char *content;
    char context[CONTEXT_BYTES];
    bool in_vocab = json_object_get(in->vocab, PKM_END_OF_TEXT) != NULL;
    int64_t id, last = (int64_t)json_object_size(in->vocab) - in_vocab;

    PKM_TRY(pkm_json_array(root, "added_tokens", true, &added, in->path));
    if (json_array_size(added) != 1 || !json_is_object(json_array_get(added, 0)))
        return unsupported(in->path, "added_tokens", "one token, " PKM_END_OF_TEXT);
    snprintf(context, sizeof context, "%s: added_tokens[0]", in->path);
    PKM_TRY(pkm_json_string(json_array_get(added, 0), "content", true, &content, context));
    if (strcmp(content, PKM_END_OF_TEXT) != 0)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: content is %.64s: expected " PKM_END_OF_TEXT,
                        context, content);
    PKM_TRY(pkm_json_int(json_array_get(added, 0), "id", last, last, true, &id, context));
    in->n_tokens = last + 1;
    if (in->n_tokens < PKM_VOCAB_MIN || in->n_tokens > PKM_VOCAB_MAX)
        return pkm_fail(PKM_ERR_FORMAT, "%s: model.vocab makes %lld tokens: expected %d to %d",
                        in->path, (long long)in->n_tokens, PKM_VOCAB_MIN, PKM_VOCAB_MAX);
    return PKM_OK;
}

/* Strings by id: each id of 0 to n_tokens - 1 once. */
static pkm_status order_tokens(reader *in)
{
    const char *text;
    json_t *value;

    PKM_TRY(pkm_alloc_array((void **)&in->tokens, (size_t)in->n_tokens, sizeof *in->tokens,
                            "a vocabulary"));
    in->tokens[in->n_tokens - 1] = PKM_END_OF_TEXT;
    in->token_bytes = sizeof PKM_END_OF_TEXT;
    json_object_foreach((json_t *)in->vocab, text, value)
    {
        bool end_of_text = strcmp(text, PKM_END_OF_TEXT) == 0;
        int64_t id = json_is_integer(value) ? json_integer_value(value) : -1;

        if (id < 0 || id >= in->n_tokens || end_of_text != (id == in->n_tokens - 1))
            return pkm_fail(
                PKM_ERR_FORMAT,
                "%s: model.vocab: the id of '%.64s' is not one of 0 to %lld, with " PKM_END_OF_TEXT
                " last",
                in->path, text, (long long)in->n_tokens - 1);
        if (in->tokens[id] != NULL && !end_of_text)
            return pkm_fail(PKM_ERR_FORMAT, "%s: model.vocab: '%.64s' and '%.64s' share id %lld",
                            in->path, in->tokens[id], text, (long long)id);
        in->tokens[id] = text;
        in->token_bytes += strlen(text);
    }
    return PKM_OK;
}

/* Bytes of a token written in the alphabet (valid UTF-8); false for a character outside it. */
static bool decode_token(unsigned char *out, size_t *bytes, const char *text)
{
    size_t count = 0;

    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        int code = *c, byte;

        if (code >= 0xc0 && code < 0xe0)
            code = (code & 0x1f) << 6 | (*++c & 0x3f);
        else if (code >= 0x80)
            return false;
        byte = pkm_alphabet_byte(code);
        if (byte < 0)
            return false;
        out[count++] = (unsigned char)byte;
    }
    *bytes = count;
    return true;
}

static pkm_status read_tokens(reader *in)
{
    pkm_tokenizer *tokenizer = in->tokenizer;

    for (int64_t id = 0; id < in->n_tokens; id++) {
        size_t start = tokenizer->starts[id], bytes;

        if (!decode_token(tokenizer->bytes + start, &bytes, in->tokens[id]))
            return pkm_fail(PKM_ERR_FORMAT,
                            "%s: model.vocab: '%.64s' has a character outside the byte alphabet",
                            in->path, in->tokens[id]);
        if (bytes == 0 || bytes > PKM_TOKEN_BYTES_MAX)
            return pkm_fail(PKM_ERR_FORMAT,
                            "%s: model.vocab: token %lld has %zu bytes: expected 1 to %d", in->path,
                            (long long)id, bytes, PKM_TOKEN_BYTES_MAX);
        tokenizer->starts[id + 1] = start + bytes;
    }
    return PKM_OK;
}

/* Id of a token by its string; the end of text is no part of merges. */
static int32_t find_token(const reader *in, const char *text)
{
    const json_t *id = json_object_get(in->vocab, text);

    return id == NULL || json_integer_value(id) == in->n_tokens - 1
               ? -1
               : (int32_t)json_integer_value(id); /* < in->n_tokens: checked when listed */
}

/* Strings of a merge, "a b" or ["a", "b"]: *left in scratch, *right borrowed; false: neither. */
static pkm_status merge_strings(reader *in, const json_t *entry, const char **left,
                                const char **right, bool *valid)
{
    const char *first = json_string_value(json_array_get(entry, 0)), *space;

    *right = json_string_value(json_array_get(entry, 1));
    *valid = json_array_size(entry) == 2 && first != NULL && *right != NULL;
    pkm_strbuf_clear(&in->scratch);
    if (json_is_string(entry)) {
        first = json_string_value(entry);
        space = strchr(first, ' ');
        *valid = space != NULL;
        if (*valid) {
            *right = space + 1;
            PKM_TRY(pkm_strbuf_append(&in->scratch, first, (size_t)(space - first)));
        }
    } else if (*valid) {
        PKM_TRY(pkm_strbuf_append(&in->scratch, first, strlen(first)));
    }
    *left = in->scratch.data != NULL ? in->scratch.data : "";
    return PKM_OK;
}

static pkm_status read_merge(reader *in, pkm_merge *merge, const json_t *entry, size_t rank)
{
    const char *left, *right;
    bool valid;

    PKM_TRY(merge_strings(in, entry, &left, &right, &valid));
    if (!valid)
        return pkm_fail(PKM_ERR_FORMAT,
                        "%s: model.merges[%zu] is neither \"a b\" nor [\"a\", \"b\"]", in->path,
                        rank);
    merge->left = find_token(in, left);
    merge->right = find_token(in, right);
    if (merge->left < 0 || merge->right < 0)
        return pkm_fail(PKM_ERR_FORMAT, "%s: model.merges[%zu]: '%.64s' is not in model.vocab",
                        in->path, rank, merge->left < 0 ? left : right);
    PKM_TRY(pkm_strbuf_append(&in->scratch, right, strlen(right)));
    merge->id = find_token(in, in->scratch.data);
    if (merge->id < 0)
        return pkm_fail(PKM_ERR_FORMAT, "%s: model.merges[%zu]: '%.64s' is not in model.vocab",
                        in->path, rank, in->scratch.data);
    return PKM_OK;
}

static pkm_status read_merges(reader *in, const json_t *merges)
{
    const json_t *entry;
    size_t rank;

    json_array_foreach((json_t *)merges, rank, entry)
        PKM_TRY(read_merge(in, &in->tokenizer->merges[rank], entry, rank));
    return PKM_OK;
}

static pkm_status read_all(reader *in, const json_t *root)
{
    const json_t *model, *merges;
    char context[CONTEXT_BYTES];
    pkm_status status;

    PKM_TRY(check_pipeline(root, in->path));
    PKM_TRY(pkm_json_object(root, "model", true, &model, in->path));
    snprintf(context, sizeof context, "%s: model", in->path);
    PKM_TRY(check_model(model, context));
    PKM_TRY(pkm_json_object(model, "vocab", true, &in->vocab, context));
    PKM_TRY(pkm_json_array(model, "merges", true, &merges, context));
    if (json_array_size(merges) > PKM_MERGES_MAX)
        return pkm_fail(PKM_ERR_FORMAT, "%s: merges has %zu entries: expected at most %d", context,
                        json_array_size(merges), PKM_MERGES_MAX);
    PKM_TRY(read_end_of_text(in, root));
    PKM_TRY(order_tokens(in));
    PKM_TRY(pkm_vocabulary_create(&in->tokenizer, in->n_tokens, in->token_bytes,
                                  (int64_t)json_array_size(merges)));
    PKM_TRY(read_tokens(in));
    PKM_TRY(read_merges(in, merges));
    status = pkm_vocabulary_index(in->tokenizer);
    if (status == PKM_ERR_FORMAT)
        pkm_error_prefix("%s", in->path);
    return status;
}

pkm_status pkm_vocabulary_parse(pkm_tokenizer **out, const char *text, size_t bytes,
                                const char *path)
{
    reader in = {.path = path};
    json_t *root;
    pkm_status status;

    PKM_TRY(pkm_json_parse(&root, text, bytes, path));
    status = read_all(&in, root);
    if (status == PKM_OK)
        *out = in.tokenizer;
    else
        pkm_tokenizer_destroy(in.tokenizer);
    pkm_free(in.tokens);
    pkm_strbuf_release(&in.scratch);
    json_decref(root);
    return status;
}

/* A token in the alphabet, appended. */
static pkm_status append_token(pkm_strbuf *out, const pkm_tokenizer *tokenizer, int32_t id)
{
    for (size_t i = tokenizer->starts[id]; i < tokenizer->starts[id + 1]; i++) {
        int code = pkm_alphabet_code(tokenizer->bytes[i]);
        char text[2] = {(char)(code < 0x80 ? code : 0xc0 | code >> 6),
                        (char)(0x80 | (code & 0x3f))};

        PKM_TRY(pkm_strbuf_append(out, text, code < 0x80 ? 1 : 2));
    }
    return PKM_OK;
}

static pkm_status write_vocab(json_t *vocab, const pkm_tokenizer *tokenizer, pkm_strbuf *scratch)
{
    for (int32_t id = 0; id < tokenizer->n_tokens; id++) {
        pkm_strbuf_clear(scratch);
        PKM_TRY(append_token(scratch, tokenizer, id));
        if (json_object_set_new(vocab, scratch->data, json_integer(id)) != 0)
            return pkm_json_no_memory();
    }
    return PKM_OK;
}

/* Merges as "a b", which every version of `tokenizers` reads. */
static pkm_status write_merges(json_t *merges, const pkm_tokenizer *tokenizer, pkm_strbuf *scratch)
{
    for (int64_t rank = 0; rank < tokenizer->n_merges; rank++) {
        pkm_strbuf_clear(scratch);
        PKM_TRY(append_token(scratch, tokenizer, tokenizer->merges[rank].left));
        PKM_TRY(pkm_strbuf_append(scratch, " ", 1));
        PKM_TRY(append_token(scratch, tokenizer, tokenizer->merges[rank].right));
        if (json_array_append_new(merges, json_string(scratch->data)) != 0)
            return pkm_json_no_memory();
    }
    return PKM_OK;
}

/* The whole file but for vocabulary and merges, which are empty. */
static json_t *write_frame(const pkm_tokenizer *tokenizer)
{
    return json_pack("{s:s, s:n, s:n, s:[{s:I, s:s, s:b, s:b, s:b, s:b, s:b}], s:n,"
                     " s:{s:s, s:b, s:b, s:b}, s:n, s:{s:s, s:b, s:b, s:b},"
                     " s:{s:s, s:n, s:n, s:s, s:s, s:b, s:b, s:b, s:{}, s:[]}}",
                     "version", "1.0", "truncation", "padding", "added_tokens", "id",
                     (json_int_t)pkm_tokenizer_end_of_text(tokenizer), "content", PKM_END_OF_TEXT,
                     "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1,
                     "normalizer", "pre_tokenizer", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 1, "use_regex", 1, "post_processor", "decoder", "type",
                     "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1, "model",
                     "type", "BPE", "dropout", "unk_token", "continuing_subword_prefix", "",
                     "end_of_word_suffix", "", "fuse_unk", 0, "byte_fallback", 0, "ignore_merges",
                     0, "vocab", "merges");
}

pkm_status pkm_vocabulary_write(const pkm_tokenizer *tokenizer, const char *path)
{
    json_t *root = write_frame(tokenizer), *model = json_object_get(root, "model");
    pkm_strbuf scratch = {0};
    pkm_status status = root == NULL ? pkm_json_no_memory() : PKM_OK;

    if (status == PKM_OK)
        status = write_vocab(json_object_get(model, "vocab"), tokenizer, &scratch);
    if (status == PKM_OK)
        status = write_merges(json_object_get(model, "merges"), tokenizer, &scratch);
    if (status == PKM_OK)
        status = pkm_json_save(root, path);
    pkm_strbuf_release(&scratch);
    json_decref(root);
    return status;
}
