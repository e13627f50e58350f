/* SPDX-License-Identifier: Apache-2.0 */
/* Public face of a tokenizer: loading, saving, decoding. */
#include "pkm/tokenizer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "text/vocabulary.h"

enum { FILE_BYTES_MAX = 256 << 20 };

pkm_status pkm_tokenizer_load(pkm_tokenizer **out, const char *path)
{
    char *file = NULL, *text = NULL;
    size_t bytes;
    pkm_status status = pkm_directory_exists(path) ? pkm_path_join(&file, path, PKM_TOKENIZER_NAME)
                                                   : pkm_string_copy(&file, path);

    if (status == PKM_OK)
        status = pkm_file_read(&text, &bytes, file, FILE_BYTES_MAX);
    if (status == PKM_OK)
        status = pkm_vocabulary_parse(out, text, bytes, file);
    pkm_free(text);
    pkm_free(file);
    return status;
}

pkm_status pkm_tokenizer_save(const pkm_tokenizer *tokenizer, const char *dir)
{
    char *file;
    pkm_status status;
    int claim;

    PKM_TRY(pkm_directory_create(dir));
    PKM_TRY(pkm_path_join(&file, dir, PKM_TOKENIZER_NAME));
    status = pkm_directory_claim(&claim, dir, PKM_TOKENIZER_NAME);
    if (status == PKM_OK) {
        status = pkm_vocabulary_write(tokenizer, file);
        pkm_io()->close(claim);
    }
    pkm_free(file);
    return status;
}

pkm_status pkm_tokenizer_token(const pkm_tokenizer *tokenizer, int32_t id,
                               const unsigned char **out, size_t *bytes)
{
    if (id < 0 || id >= tokenizer->n_tokens)
        return pkm_fail(PKM_ERR_ARG, "id %d is outside the vocabulary: expected 0 to %lld", id,
                        (long long)tokenizer->n_tokens - 1);
    *out = tokenizer->bytes + tokenizer->starts[id];
    *bytes = tokenizer->starts[id + 1] - tokenizer->starts[id];
    return PKM_OK;
}

static pkm_status decoded_bytes(const pkm_tokenizer *tokenizer, size_t *total, const int32_t *ids,
                                int64_t n_ids)
{
    *total = 0;
    for (int64_t i = 0; i < n_ids; i++) {
        const unsigned char *token;
        size_t bytes;

        PKM_TRY(pkm_tokenizer_token(tokenizer, ids[i], &token, &bytes));
        if (!pkm_size_add(*total, bytes, total))
            return pkm_fail(PKM_ERR_NOMEM, "out of memory: text of more than SIZE_MAX bytes");
    }
    return PKM_OK;
}

pkm_status pkm_tokenizer_decode(const pkm_tokenizer *tokenizer, char **out, size_t *bytes,
                                const int32_t *ids, int64_t n_ids)
{
    size_t total, at = 0;
    char *text;

    PKM_TRY(decoded_bytes(tokenizer, &total, ids, n_ids));
    PKM_TRY(pkm_alloc_array((void **)&text, pkm_size_sum(total, 1), 1, "decoded text"));
    for (int64_t i = 0; i < n_ids; i++) {
        size_t start = tokenizer->starts[ids[i]], length = tokenizer->starts[ids[i] + 1] - start;

        memcpy(text + at, tokenizer->bytes + start, length);
        at += length;
    }
    *out = text;
    *bytes = total;
    return PKM_OK;
}
