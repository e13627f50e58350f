/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token data sets: files and folders -> shards of token ids, and reading them. May still change.
 *
 * A data set is a folder: {train,val}-NNNNN.bin in llm.c's layout (16-bit ids, 32-bit ones beyond a
 * vocabulary of 65,536), the tokenizer.json that made them, and meta.json, written last: vocabulary
 * size and tokenizer hash; for each side documents, tokens, bytes of text, and of every shard name,
 * tokens and hash.
 */
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
    int64_t documents;        /* of both sides */
    int64_t duplicates;       /* files left out because an earlier one has the same contents */
    int64_t binary_files;     /* files left out: a NUL in the first 8 KiB */
    int64_t unreadable_files; /* files and folders left out: no permission, or read errors */
    int64_t train_tokens, val_tokens;
    uint64_t train_bytes, val_bytes; /* of text */
} pkm_data_summary;

/**
 * Writes a data set from files and folders into dir, which it creates.
 *
 * paths [n_paths] are taken in the order given, the files under a folder in the order of their
 * paths' bytes. Inside folders links are not followed and other than regular files left out. A file
 * is a document; it ends with the end-of-text token; empty files are none. Held out (val) are the
 * documents with the smallest hashes: about val_fraction of them, at least one, never all; of a
 * single document its end; nothing if val_fraction is 0. The result depends on contents and order
 * alone, not on the number of threads.
 *
 * Memory:  about 100 MB, plus about 200 bytes per file
 * Errors:  PKM_ERR_STATE if dir holds data; PKM_ERR_ARG if there is no text or config is out of
 *          range; PKM_ERR_IO; PKM_ERR_CANCELLED. After a failure the shards written are removed
 * Threads: concurrent calls allowed on a const object (the tokenizer)
 * Since:   0.1
 */
PKM_API pkm_status pkm_data_prepare(pkm_data_summary *out, const char *dir,
                                    const pkm_tokenizer *tokenizer, const char *const *paths,
                                    int n_paths, const pkm_data_config *config);

typedef enum pkm_split { PKM_SPLIT_TRAIN, PKM_SPLIT_VAL } pkm_split;

/* One side of a data set, mapped read-only. */
typedef struct pkm_data pkm_data;

/**
 * Opens the side split of the data set in dir: checks meta.json, and every shard's header and size
 * against it. A side may be empty.
 *
 * Memory:  *out is closed by the caller; shards are mapped, not read
 * Errors:  PKM_ERR_IO; PKM_ERR_FORMAT names file and field
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_data_open(pkm_data **out, const char *dir, pkm_split split);

/**
 * Reads the whole data set in dir and compares every shard with its checksum in meta.json, which
 * opening does not. progress (may be NULL) is told the side's name and shards done of how many.
 *
 * Errors:  those of pkm_data_open; PKM_ERR_FORMAT names the shard that differs; PKM_ERR_CANCELLED
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_data_verify(const char *dir, pkm_progress progress, void *user);

/**
 * Closes one side of a data set; NULL is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_data_close(pkm_data *data);

/**
 * Tokens of data, over all shards of the side, ends of text included.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int64_t pkm_data_tokens(const pkm_data *data);

/**
 * Vocabulary size of the tokenizer that made data: every id read is below it.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int64_t pkm_data_vocab_size(const pkm_data *data);

/**
 * Bytes of text behind the tokens of data.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API uint64_t pkm_data_bytes(const pkm_data *data);

/**
 * Hash of the tokenizer that made data (pkm_tokenizer_hash), 32 hex digits.
 *
 * Memory:  borrowed from data
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API const char *pkm_data_tokenizer_hash(const pkm_data *data);

/**
 * Hash of the contents of data as meta.json states it, 32 hex digits.
 *
 * Memory:  borrowed from data
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API const char *pkm_data_hash(const pkm_data *data);

/**
 * Copies tokens first .. first + count of the shards of data, put end to end, into ids.
 *
 * Shapes:  ids [count] i32
 * Memory:  allocation: none, unless it fails
 * Errors:  PKM_ERR_ARG for a range outside the data; PKM_ERR_FORMAT names the shard that holds an
 *          id outside the vocabulary
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API pkm_status pkm_data_read(const pkm_data *data, int32_t *ids, int64_t first, int64_t count);

#ifdef __cplusplus
}
#endif

#endif
