/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level BPE with GPT-2's split rule, stored as Hugging Face's tokenizer.json. */
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

/* done and total are bytes or merges of the phase; returning non-zero cancels. */
typedef int (*pkm_progress)(const char *phase, uint64_t done, uint64_t total, void *user);

typedef struct pkm_tokenizer_train_config {
    int64_t vocab_size;    /* including 256 bytes and the end-of-text token; 257 to 1,000,000 */
    uint64_t max_bytes;    /* text read at most, 0 = all */
    pkm_progress progress; /* may be NULL */
    void *user;
} pkm_tokenizer_train_config;

/* Learns merges from files and folders (recursive, binary files skipped), in the deterministic
 * order of pkm data. The same bits for any number of threads. */
PKM_API pkm_status pkm_tokenizer_train(pkm_tokenizer **out, const char *const *paths, int n_paths,
                                       const pkm_tokenizer_train_config *config);
/* path: a tokenizer.json or a folder that holds one. */
PKM_API pkm_status pkm_tokenizer_load(pkm_tokenizer **out, const char *path);
/* Writes dir/tokenizer.json, creating dir. */
PKM_API pkm_status pkm_tokenizer_save(const pkm_tokenizer *tokenizer, const char *dir);
PKM_API void pkm_tokenizer_destroy(pkm_tokenizer *tokenizer);

PKM_API int64_t pkm_tokenizer_vocab_size(const pkm_tokenizer *tokenizer);
PKM_API int32_t pkm_tokenizer_end_of_text(const pkm_tokenizer *tokenizer); /* the last id */
/* 128-bit hash of vocabulary and merges, 32 hex digits; ties data to its tokenizer. */
PKM_API const char *pkm_tokenizer_hash(const pkm_tokenizer *tokenizer);

/* Bytes of one token; *out borrowed. PKM_ERR_ARG for an id outside the vocabulary. */
PKM_API pkm_status pkm_tokenizer_token(const pkm_tokenizer *tokenizer, int32_t id,
                                       const unsigned char **out, size_t *bytes);

/* Scratch of one thread's encoding (caches, buffers); one per thread. */
typedef struct pkm_encoder pkm_encoder;
PKM_API pkm_status pkm_encoder_create(pkm_encoder **out, const pkm_tokenizer *tokenizer);
PKM_API void pkm_encoder_destroy(pkm_encoder *encoder);
/* Ids of text (any bytes; special tokens in the text are not recognised). *ids borrowed until the
 * next call. */
PKM_API pkm_status pkm_encoder_encode(pkm_encoder *encoder, const int32_t **ids, int64_t *n_ids,
                                      const void *text, size_t bytes);

/* Concatenated bytes of ids into *out (freed with pkm_text_free, NUL appended). */
PKM_API pkm_status pkm_tokenizer_decode(const pkm_tokenizer *tokenizer, char **out, size_t *bytes,
                                        const int32_t *ids, int64_t n_ids);

#ifdef __cplusplus
}
#endif

#endif
