/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-level BPE with GPT-2's split rule, stored as Hugging Face's tokenizer.json.
 *
 * Any bytes can be encoded, and decoding the ids gives them back, valid UTF-8 or not. Of valid
 * UTF-8 the ids are those that the package `tokenizers` gives with the same file, as long as no
 * piece of the split rule (a run of letters, digits, signs or blanks) is longer than 4 MiB: longer
 * ones are cut there. The end of text is a token of its own, the last id, which no text encodes to.
 */
#ifndef PKM_TOKENIZER_H
#define PKM_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "pkm/error.h"
#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pkm_tokenizer pkm_tokenizer;

/* Told between steps of long work; done and total are bytes or merges of the phase ("count",
 * "merge", "scan", "encode"). Returning non-zero cancels. */
typedef int (*pkm_progress)(const char *phase, uint64_t done, uint64_t total, void *user);

typedef struct pkm_tokenizer_train_config {
    int64_t vocab_size;    /* including 256 bytes and the end-of-text token; 257 to 1,000,000 */
    uint64_t max_bytes;    /* text read at most, 0 = all */
    pkm_progress progress; /* may be NULL */
    void *user;
} pkm_tokenizer_train_config;

/**
 * Learns a vocabulary from files and folders: the most frequent pair of neighbouring tokens becomes
 * a token, again and again; of equally frequent pairs the one of smaller ids.
 *
 * paths [n_paths] are read in the order of pkm_data_prepare; links and unreadable files inside
 * folders, and binary files (a NUL in the first 8 KiB), are left out. The vocabulary ends up
 * smaller than config->vocab_size if no pair occurs twice any more. Pieces of more than 512 bytes
 * are counted in parts of 512. The result depends on the text alone, not on the number of threads.
 *
 * Memory:  *out is destroyed by the caller; grows with the distinct pieces of the text, not with
 *          the text (200 MB for 500 MB of source code)
 * Errors:  PKM_ERR_ARG if vocab_size is out of range or there is no text; PKM_ERR_IO for a path
 *          that cannot be read; PKM_ERR_CANCELLED; PKM_ERR_NOMEM
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_tokenizer_train(pkm_tokenizer **out, const char *const *paths, int n_paths,
                                       const pkm_tokenizer_train_config *config);

/**
 * Loads a tokenizer.json: path is that file or a folder that holds one.
 *
 * Supported are byte-level BPE models in GPT-2's manner: a ByteLevel pre-tokenizer (no prefix
 * space, its own split rule), merges as strings or pairs, and <|endoftext|> as the only added token
 * and the last id.
 *
 * Memory:  *out is destroyed by the caller
 * Errors:  PKM_ERR_IO; PKM_ERR_FORMAT and PKM_ERR_UNSUPPORTED name file and field
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_tokenizer_load(pkm_tokenizer **out, const char *path);

/**
 * Writes dir/tokenizer.json, creating dir; the file appears whole or not at all.
 *
 * Errors:  PKM_ERR_IO
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API pkm_status pkm_tokenizer_save(const pkm_tokenizer *tokenizer, const char *dir);

/**
 * Releases a tokenizer, which no encoder may use any more; NULL is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_tokenizer_destroy(pkm_tokenizer *tokenizer);

/**
 * The number of tokens: ids are 0 to one less than it.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int64_t pkm_tokenizer_vocab_size(const pkm_tokenizer *tokenizer);

/**
 * The id of the end-of-text token, the last one of the tokenizer.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int32_t pkm_tokenizer_end_of_text(const pkm_tokenizer *tokenizer);

/**
 * A hash of vocabulary and merges, 32 hex digits: ties data and models to their tokenizer.
 *
 * Memory:  borrowed from the tokenizer
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API const char *pkm_tokenizer_hash(const pkm_tokenizer *tokenizer);

/**
 * The bytes of the token id: (*out)[0 .. *bytes), which may be a part of a UTF-8 character.
 *
 * Memory:  *out is borrowed from the tokenizer
 * Errors:  PKM_ERR_ARG for an id outside the vocabulary
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API pkm_status pkm_tokenizer_token(const pkm_tokenizer *tokenizer, int32_t id,
                                       const unsigned char **out, size_t *bytes);

/* What one thread needs to encode: buffers, and ids of pieces it has met. */
typedef struct pkm_encoder pkm_encoder;

/**
 * Creates an encoder of a tokenizer, which must outlive it.
 *
 * Memory:  *out is destroyed by the caller; about 2 MB
 * Errors:  PKM_ERR_NOMEM
 * Threads: concurrent calls allowed on a const object (the tokenizer)
 * Since:   0.1
 */
PKM_API pkm_status pkm_encoder_create(pkm_encoder **out, const pkm_tokenizer *tokenizer);

/**
 * Releases an encoder and the ids it returned; NULL is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_encoder_destroy(pkm_encoder *encoder);

/**
 * Encodes text[0 .. bytes), any bytes; "<|endoftext|>" in it is text like any other.
 *
 * Shapes:  *ids [*n_ids] i32
 * Memory:  *ids is borrowed until the encoder's next call; at most about 150 MB of buffers for a
 *          piece of 4 MiB, else a few bytes per id
 * Errors:  PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_encoder_encode(pkm_encoder *encoder, const int32_t **ids, int64_t *n_ids,
                                      const void *text, size_t bytes);

/**
 * Concatenates the bytes of tokens into (*out)[0 .. *bytes), with a NUL behind.
 *
 * Shapes:  ids [n_ids] i32
 * Memory:  *out is released by the caller with pkm_text_free
 * Errors:  PKM_ERR_ARG for an id outside the vocabulary; PKM_ERR_NOMEM
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API pkm_status pkm_tokenizer_decode(const pkm_tokenizer *tokenizer, char **out, size_t *bytes,
                                        const int32_t *ids, int64_t n_ids);

#ifdef __cplusplus
}
#endif

#endif
