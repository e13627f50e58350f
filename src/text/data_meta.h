/* SPDX-License-Identifier: Apache-2.0 */
/* meta.json of a data set: written last, so that its presence says the set is whole. */
#ifndef PKM_TEXT_DATA_META_H
#define PKM_TEXT_DATA_META_H

#include "base/hash.h"
#include "pkm/data.h"

enum { PKM_DATA_FORMAT = 1, PKM_SHARD_NAME = 32, PKM_SPLITS = 2 };

#define PKM_DATA_META_NAME "meta.json"

typedef struct pkm_shard {
    int64_t tokens;
    char hash[PKM_HASH_HEX]; /* of its ids as written */
} pkm_shard;

/* One side of the set. */
typedef struct pkm_data_side {
    int64_t documents, tokens;
    uint64_t bytes;    /* of text */
    pkm_shard *shards; /* [n_shards] */
    int64_t n_shards, capacity;
} pkm_data_side;

typedef struct pkm_data_meta {
    int64_t vocab_size;
    char tokenizer_hash[PKM_HASH_HEX];
    int64_t duplicates, binary_files, unreadable_files;
    pkm_data_side sides[PKM_SPLITS];
} pkm_data_meta;

/* "train" or "val". */
const char *pkm_split_name(pkm_split split);
/* "train-00000.bin": the only names a set has. */
void pkm_shard_name(char out[PKM_SHARD_NAME], pkm_split split, int64_t shard);

pkm_status pkm_data_side_add(pkm_data_side *side, int64_t tokens, pkm_digest digest);
pkm_status pkm_data_meta_save(const pkm_data_meta *meta, const char *path);
pkm_status pkm_data_meta_load(pkm_data_meta *out, const char *path);
void pkm_data_meta_release(pkm_data_meta *meta);

#endif
