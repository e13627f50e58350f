/* SPDX-License-Identifier: Apache-2.0 */
#include "text/data_meta.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/json.h"
#include "format/token_file.h"
#include "text/vocabulary.h"

enum { META_BYTES_MAX = 64 << 20, SHARDS_MAX = 100000, CONTEXT_BYTES = 512 };

const char *pkm_split_name(pkm_split split)
{
    return split == PKM_SPLIT_TRAIN ? "train" : "val";
}

void pkm_shard_name(char out[PKM_SHARD_NAME], pkm_split split, int64_t shard)
{
    snprintf(out, PKM_SHARD_NAME, "%s-%05d.bin", pkm_split_name(split), (int)shard);
}

void pkm_data_meta_release(pkm_data_meta *meta)
{
    for (int split = 0; split < PKM_SPLITS; split++)
        pkm_free(meta->sides[split].shards);
    *meta = (pkm_data_meta){0};
}

static pkm_status add_shard(pkm_data_side *side, pkm_shard shard)
{
    if (side->n_shards == SHARDS_MAX)
        return pkm_fail(PKM_ERR_ARG, "more than %d shards: shard_tokens is too small", SHARDS_MAX);
    if (side->n_shards == side->capacity) {
        int64_t larger = side->capacity == 0 ? 16 : 2 * side->capacity;

        PKM_TRY(pkm_alloc_grow((void **)&side->shards, (size_t)side->n_shards, (size_t)larger,
                               sizeof shard, "shards"));
        side->capacity = larger;
    }
    side->shards[side->n_shards++] = shard;
    side->tokens += shard.tokens;
    return PKM_OK;
}

pkm_status pkm_data_side_add(pkm_data_side *side, int64_t tokens, pkm_digest digest)
{
    pkm_shard shard = {.tokens = tokens};

    pkm_digest_hex(shard.hash, digest);
    return add_shard(side, shard);
}

static json_t *side_json(const pkm_data_side *side, pkm_split split)
{
    json_t *shards = json_array();

    for (int64_t i = 0; i < side->n_shards; i++) {
        char name[PKM_SHARD_NAME];

        pkm_shard_name(name, split, i);
        json_array_append_new(shards, json_pack("{s:s, s:I, s:s}", "name", name, "tokens",
                                                (json_int_t)side->shards[i].tokens, "hash",
                                                side->shards[i].hash));
    }
    if (json_array_size(shards) != (size_t)side->n_shards) {
        json_decref(shards);
        return NULL;
    }
    return json_pack("{s:I, s:I, s:I, s:o}", "documents", (json_int_t)side->documents, "tokens",
                     (json_int_t)side->tokens, "bytes", (json_int_t)side->bytes, "shards", shards);
}

pkm_status pkm_data_meta_save(const pkm_data_meta *meta, const char *path)
{
    json_t *root = json_pack("{s:i, s:I, s:s, s:I, s:I, s:I}", "format_version", PKM_DATA_FORMAT,
                             "vocab_size", (json_int_t)meta->vocab_size, "tokenizer_hash",
                             meta->tokenizer_hash, "duplicates", (json_int_t)meta->duplicates,
                             "binary_files", (json_int_t)meta->binary_files, "unreadable_files",
                             (json_int_t)meta->unreadable_files);
    int failed = 0;
    pkm_status status;

    for (int split = 0; split < PKM_SPLITS; split++)
        failed |=
            json_object_set_new(root, pkm_split_name(split), side_json(&meta->sides[split], split));
    status = failed != 0 ? pkm_json_no_memory() : pkm_json_save(root, path);
    json_decref(root);
    return status;
}

/* A field of 32 hexadecimal digits. */
static pkm_status read_hash(char out[PKM_HASH_HEX], const json_t *object, const char *key,
                            const char *path)
{
    const char *text;

    PKM_TRY(pkm_json_string(object, key, true, &text, path));
    if (strlen(text) != PKM_HASH_HEX - 1 || strspn(text, "0123456789abcdef") != PKM_HASH_HEX - 1)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %s is not 32 hexadecimal digits", path, key);
    memcpy(out, text, PKM_HASH_HEX);
    return PKM_OK;
}

static pkm_status read_shard(pkm_data_side *side, const json_t *object, pkm_split split,
                             const char *path)
{
    char context[CONTEXT_BYTES], expected[PKM_SHARD_NAME];
    const char *name;
    pkm_shard shard;

    snprintf(context, sizeof context, "%s: shards[%lld]", path, (long long)side->n_shards);
    if (!json_is_object(object))
        return pkm_fail(PKM_ERR_FORMAT, "%s is not an object", context);
    pkm_shard_name(expected, split, side->n_shards);
    PKM_TRY(pkm_json_string(object, "name", true, &name, context));
    if (strcmp(name, expected) != 0) /* also keeps the reader inside the folder */
        return pkm_fail(PKM_ERR_FORMAT, "%s: name is %.64s: expected %s", context, name, expected);
    PKM_TRY(pkm_json_int(object, "tokens", 1, PKM_TOKEN_FILE_MAX, true, &shard.tokens, context));
    PKM_TRY(read_hash(shard.hash, object, "hash", context));
    return add_shard(side, shard);
}

static pkm_status read_side(pkm_data_side *side, const json_t *root, pkm_split split,
                            const char *path)
{
    const json_t *object, *shards, *shard;
    char context[CONTEXT_BYTES];
    int64_t tokens, bytes;
    size_t i;

    PKM_TRY(pkm_json_object(root, pkm_split_name(split), true, &object, path));
    snprintf(context, sizeof context, "%s: %s", path, pkm_split_name(split));
    PKM_TRY(pkm_json_int(object, "documents", 0, INT64_MAX, true, &side->documents, context));
    PKM_TRY(pkm_json_int(object, "bytes", 0, INT64_MAX, true, &bytes, context));
    PKM_TRY(pkm_json_int(object, "tokens", 0, INT64_MAX, true, &tokens, context));
    side->bytes = (uint64_t)bytes;
    PKM_TRY(pkm_json_array(object, "shards", true, &shards, context));
    if (json_array_size(shards) > SHARDS_MAX)
        return pkm_fail(PKM_ERR_FORMAT, "%s: shards has %zu entries: expected at most %d", context,
                        json_array_size(shards), SHARDS_MAX);
    json_array_foreach((json_t *)shards, i, shard) PKM_TRY(read_shard(side, shard, split, context));
    if (side->documents > tokens) /* each ends with a token of its own */
        return pkm_fail(PKM_ERR_FORMAT, "%s: documents is %lld: expected at most its %lld tokens",
                        context, (long long)side->documents, (long long)tokens);
    if (tokens != side->tokens)
        return pkm_fail(PKM_ERR_FORMAT, "%s: tokens is %lld: the shards hold %lld", context,
                        (long long)tokens, (long long)side->tokens);
    return PKM_OK;
}

static pkm_status read_meta(pkm_data_meta *meta, const json_t *root, const char *path)
{
    if (!json_is_object(root))
        return pkm_fail(PKM_ERR_FORMAT, "%s: not a JSON object", path);
    PKM_TRY(pkm_json_version(root, "format_version", PKM_DATA_FORMAT, path));
    PKM_TRY(pkm_json_int(root, "vocab_size", PKM_VOCAB_MIN, PKM_VOCAB_MAX, true, &meta->vocab_size,
                         path));
    PKM_TRY(read_hash(meta->tokenizer_hash, root, "tokenizer_hash", path));
    PKM_TRY(pkm_json_int(root, "duplicates", 0, INT64_MAX, true, &meta->duplicates, path));
    PKM_TRY(pkm_json_int(root, "binary_files", 0, INT64_MAX, true, &meta->binary_files, path));
    PKM_TRY(
        pkm_json_int(root, "unreadable_files", 0, INT64_MAX, true, &meta->unreadable_files, path));
    for (int split = 0; split < PKM_SPLITS; split++)
        PKM_TRY(read_side(&meta->sides[split], root, split, path));
    return PKM_OK;
}

pkm_status pkm_data_meta_load(pkm_data_meta *out, const char *path)
{
    pkm_data_meta meta = {0};
    json_t *root;
    pkm_status status;

    PKM_TRY(pkm_json_load(&root, path, META_BYTES_MAX));
    status = read_meta(&meta, root, path);
    json_decref(root);
    if (status == PKM_OK)
        *out = meta;
    else
        pkm_data_meta_release(&meta);
    return status;
}
