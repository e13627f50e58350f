/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a data set: meta.json and the mapped shards of one side. */
#include "pkm/data.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "format/token_file.h"
#include "text/data_meta.h"

struct pkm_data {
    char *dir;
    pkm_split split;
    pkm_data_meta meta;
    pkm_token_file *shards; /* [n_open] */
    int64_t *firsts;        /* [n_shards + 1] tokens before each shard */
    int64_t n_open;
    char hash[PKM_HASH_HEX];
};

static const pkm_data_side *side_of(const pkm_data *data)
{
    return &data->meta.sides[data->split];
}

static pkm_status shard_path(char **out, const pkm_data *data, int64_t shard)
{
    char name[PKM_SHARD_NAME];

    pkm_shard_name(name, data->split, shard);
    return pkm_path_join(out, data->dir, name);
}

/* What the header says against what meta.json says. */
static pkm_status check_shard(const pkm_token_file *file, int64_t tokens, int64_t vocab_size)
{
    int width = pkm_token_width(vocab_size);

    if (file->count != tokens)
        return pkm_fail(PKM_ERR_FORMAT, "%s: holds %lld tokens: " PKM_DATA_META_NAME " says %lld",
                        file->path, (long long)file->count, (long long)tokens);
    if (file->width != width)
        return pkm_fail(PKM_ERR_FORMAT,
                        "%s: holds ids of %d bytes: expected %d for a vocabulary of %lld",
                        file->path, file->width, width, (long long)vocab_size);
    return PKM_OK;
}

static pkm_status open_shard(pkm_data *data, int64_t shard)
{
    int64_t expected = side_of(data)->shards[shard].tokens;
    pkm_token_file *file = &data->shards[shard];
    pkm_status status;
    char *path;

    PKM_TRY(shard_path(&path, data, shard));
    status = pkm_token_file_open(file, path);
    if (status == PKM_OK) {
        data->n_open++;
        status = check_shard(file, expected, data->meta.vocab_size);
    }
    pkm_free(path);
    return status;
}

/* Shards and their places. */
static pkm_status open_shards(pkm_data *data)
{
    const pkm_data_side *side = side_of(data);
    size_t n = (size_t)side->n_shards;
    pkm_hash hash;

    PKM_TRY(pkm_alloc_array((void **)&data->shards, n, sizeof *data->shards, "shards"));
    PKM_TRY(pkm_alloc_array((void **)&data->firsts, pkm_size_sum(n, 1), sizeof *data->firsts,
                            "shards"));
    pkm_hash_init(&hash);
    for (int64_t i = 0; i < side->n_shards; i++) {
        PKM_TRY(open_shard(data, i));
        data->firsts[i + 1] = data->firsts[i] + side->shards[i].tokens;
        pkm_hash_update(&hash, side->shards[i].hash, sizeof side->shards[i].hash);
    }
    pkm_digest_hex(data->hash, pkm_hash_digest(&hash));
    return PKM_OK;
}

static pkm_status load_meta(pkm_data *data)
{
    pkm_status status;
    char *path;

    PKM_TRY(pkm_path_join(&path, data->dir, PKM_DATA_META_NAME));
    status = pkm_data_meta_load(&data->meta, path);
    if (status == PKM_ERR_IO && pkm_error_errno() == ENOTDIR)
        status = pkm_fail(PKM_ERR_IO, "%s: not a data set: expected a folder with a %s", data->dir,
                          PKM_DATA_META_NAME);
    pkm_free(path);
    return status;
}

pkm_status pkm_data_open(pkm_data **out, const char *dir, pkm_split split)
{
    pkm_data *data;
    pkm_status status;

    if (split != PKM_SPLIT_TRAIN && split != PKM_SPLIT_VAL)
        return pkm_fail(PKM_ERR_ARG, "split is %d: expected train or val", (int)split);
    PKM_TRY(pkm_alloc_array((void **)&data, 1, sizeof *data, "a data set"));
    data->split = split;
    status = pkm_string_copy(&data->dir, dir);
    if (status == PKM_OK)
        status = load_meta(data);
    if (status == PKM_OK)
        status = open_shards(data);
    if (status != PKM_OK) {
        pkm_data_close(data);
        return status;
    }
    *out = data;
    return PKM_OK;
}

/* Reads a shard and compares it with its checksum. */
static pkm_status verify_shard(const pkm_data *data, int64_t shard)
{
    char hash[PKM_HASH_HEX];

    pkm_digest_hex(hash, pkm_token_file_digest(&data->shards[shard]));
    if (strcmp(hash, side_of(data)->shards[shard].hash) != 0)
        return pkm_fail(PKM_ERR_FORMAT,
                        "%s: its ids have checksum %s: " PKM_DATA_META_NAME " says %s",
                        data->shards[shard].path, hash, side_of(data)->shards[shard].hash);
    return PKM_OK;
}

static pkm_status verify_side(const pkm_data *data, pkm_progress progress, void *user)
{
    for (int64_t shard = 0; shard < data->n_open; shard++) {
        if (progress != NULL &&
            progress(pkm_split_name(data->split), shard, data->n_open, user) != 0)
            return pkm_fail(PKM_ERR_CANCELLED, "verifying was cancelled");
        PKM_TRY(verify_shard(data, shard));
    }
    return PKM_OK;
}

pkm_status pkm_data_verify(const char *dir, pkm_progress progress, void *user)
{
    pkm_status status = PKM_OK;

    for (int split = 0; split < PKM_SPLITS && status == PKM_OK; split++) {
        pkm_data *data;

        PKM_TRY(pkm_data_open(&data, dir, (pkm_split)split));
        status = verify_side(data, progress, user);
        pkm_data_close(data);
    }
    return status;
}

void pkm_data_close(pkm_data *data)
{
    if (data == NULL)
        return;
    for (int64_t i = 0; i < data->n_open; i++)
        pkm_token_file_close(&data->shards[i]);
    pkm_data_meta_release(&data->meta);
    pkm_free(data->shards);
    pkm_free(data->firsts);
    pkm_free(data->dir);
    pkm_free(data);
}

int64_t pkm_data_tokens(const pkm_data *data)
{
    return side_of(data)->tokens;
}

int64_t pkm_data_vocab_size(const pkm_data *data)
{
    return data->meta.vocab_size;
}

uint64_t pkm_data_bytes(const pkm_data *data)
{
    return side_of(data)->bytes;
}

const char *pkm_data_tokenizer_hash(const pkm_data *data)
{
    return data->meta.tokenizer_hash;
}

const char *pkm_data_hash(const pkm_data *data)
{
    return data->hash;
}

/* The shard that holds a token, by bisection. */
static int64_t find_shard(const pkm_data *data, int64_t token)
{
    int64_t low = 0, high = data->n_open - 1;

    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;

        if (data->firsts[middle] <= token)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

pkm_status pkm_data_read(const pkm_data *data, int32_t *ids, int64_t first, int64_t count)
{
    int64_t tokens = pkm_data_tokens(data);

    if (first < 0 || count < 0 || count > tokens || first > tokens - count)
        return pkm_fail(PKM_ERR_ARG, "%s: %lld tokens from %lld on: it has %lld", data->dir,
                        (long long)count, (long long)first, (long long)tokens);
    while (count > 0) {
        int64_t shard = find_shard(data, first), inside = first - data->firsts[shard];
        int64_t part = pkm_min_i64(count, data->firsts[shard + 1] - first);

        PKM_TRY(
            pkm_token_file_read(&data->shards[shard], ids, inside, part, data->meta.vocab_size));
        ids += part;
        first += part;
        count -= part;
    }
    return PKM_OK;
}
