/* SPDX-License-Identifier: Apache-2.0 */
/* Token data sets: files and folders -> shards of token ids, and reading them. May still change. */
#ifndef PKM_DATA_H
#define PKM_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "pkm/error.h"
#include "pkm/export.h"
#include "pkm/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pkm_data_config {
    double val_fraction;   /* of documents held out, by hash; [0, 0.5] */
    int64_t shard_tokens;  /* tokens per shard at most, 1 to 2^31 - 1; 0 = 100 million */
    pkm_progress progress; /* may be NULL */
    void *user;
} pkm_data_config;

typedef struct pkm_data_summary {
    int64_t documents, duplicates, binary_files, unreadable_files;
    int64_t train_tokens, val_tokens;
    uint64_t train_bytes, val_bytes; /* of text */
} pkm_data_summary;

/* Writes dir/{train,val}-NNNNN.bin and, last, dir/meta.json. Refuses a dir that holds data. */
PKM_API pkm_status pkm_data_prepare(pkm_data_summary *out, const char *dir,
                                    const pkm_tokenizer *tokenizer, const char *const *paths,
                                    int n_paths, const pkm_data_config *config);

typedef enum pkm_split { PKM_SPLIT_TRAIN, PKM_SPLIT_VAL } pkm_split;

/* One side of a data set, mapped read-only. */
typedef struct pkm_data pkm_data;
PKM_API pkm_status pkm_data_open(pkm_data **out, const char *dir, pkm_split split);
PKM_API void pkm_data_close(pkm_data *data);
PKM_API int64_t pkm_data_tokens(const pkm_data *data);
PKM_API int64_t pkm_data_vocab_size(const pkm_data *data);
PKM_API uint64_t pkm_data_bytes(const pkm_data *data);             /* of text on this side */
PKM_API const char *pkm_data_tokenizer_hash(const pkm_data *data); /* 32 hex digits */
PKM_API const char *pkm_data_hash(const pkm_data *data);           /* of the shards' contents */
/* ids[0..count) = tokens first..first + count of the concatenated shards; PKM_ERR_FORMAT names the
 * shard that holds an id outside the vocabulary. */
PKM_API pkm_status pkm_data_read(const pkm_data *data, int32_t *ids, int64_t first, int64_t count);

#ifdef __cplusplus
}
#endif

#endif
