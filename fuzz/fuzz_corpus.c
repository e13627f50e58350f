/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings, then sections that are text files: a tokenizer learnt from them and a data set made of
 * them with whatever sizes. The tokenizer is no larger than asked for; without a held-out side the
 * data set decodes to the documents, each ended by the end of text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "fuzz.h"
#include "pkm/data.h"
#include "pkm/options.h"

enum { FILES_MAX = 4 };

static const char *const names[FILES_MAX] = {"0.txt", "1.txt", "2.txt", "3.txt"};

static void check_text(const pkm_data *data, const pkm_tokenizer *tokenizer,
                       const pkm_strbuf *expected)
{
    int64_t tokens = pkm_data_tokens(data);
    int32_t *ids = malloc((size_t)tokens * sizeof *ids + 1);
    size_t bytes;
    char *text;

    fuzz_check(ids != NULL, "there is memory for the tokens");
    if (fuzz_must(pkm_data_read(data, ids, 0, tokens)) &&
        fuzz_must(pkm_tokenizer_decode(tokenizer, &text, &bytes, ids, tokens))) {
        fuzz_check(bytes == expected->length && memcmp(text, expected->data, bytes) == 0,
                   "the data set decodes to the documents");
        pkm_text_free(text);
    }
    free(ids);
}

static void prepare(const pkm_tokenizer *tokenizer, const char *const *paths, int n_paths,
                    const pkm_data_config *config, const pkm_strbuf *expected)
{
    pkm_data_summary summary;
    pkm_data *data;

    if (!fuzz_ok(pkm_data_prepare(&summary, fuzz_path("set"), tokenizer, paths, n_paths, config))) {
        fuzz_check(!pkm_file_exists(fuzz_path("set/meta.json")), "what failed left no data set");
        return;
    }
    fuzz_check(config->shard_tokens >= 0 && config->val_fraction >= 0 &&
                   config->val_fraction <= 0.5,
               "settings out of their range are refused");
    if (!fuzz_must(pkm_data_open(&data, fuzz_path("set"), PKM_SPLIT_TRAIN)))
        return;
    fuzz_check(pkm_data_tokens(data) == summary.train_tokens, "the data set holds what it says");
    if (config->val_fraction == 0 && summary.duplicates == 0 && summary.binary_files == 0)
        check_text(data, tokenizer, expected);
    pkm_data_close(data);
}

/* Writes the sections as files; expected: their documents as the data set should have them. */
static int write_files(const char *paths[FILES_MAX], pkm_strbuf *expected, fuzz_input in)
{
    int count = 0;

    for (; count < FILES_MAX && (in.size > 0 || count == 0); count++) {
        fuzz_input section = fuzz_section(&in);

        fuzz_write(names[count], section.data, section.size);
        paths[count] = fuzz_path(names[count]);
        if (section.size > 0 &&
            (pkm_strbuf_append(expected, section.data, section.size) != PKM_OK ||
             pkm_strbuf_append(expected, "<|endoftext|>", 13) != PKM_OK))
            return 0;
    }
    return count;
}

static void run(const uint8_t *bytes, size_t size)
{
    fuzz_input in = {bytes, size};
    pkm_tokenizer_train_config learn = {.vocab_size = 250 + fuzz_size(&in)};
    pkm_data_config config = {.val_fraction = (double)fuzz_up_to(&in, 255) / 256,
                              .shard_tokens = fuzz_size(&in)};
    const char *paths[FILES_MAX];
    pkm_strbuf expected = {0};
    pkm_tokenizer *tokenizer;
    int n_paths;

    learn.max_bytes = (uint64_t)fuzz_size(&in);
    (void)pkm_directory_remove(fuzz_path("set"));
    n_paths = write_files(paths, &expected, in);
    if (n_paths > 0 && fuzz_ok(pkm_tokenizer_train(&tokenizer, paths, n_paths, &learn))) {
        fuzz_check(pkm_tokenizer_vocab_size(tokenizer) <= learn.vocab_size,
                   "a vocabulary is no larger than asked for");
        prepare(tokenizer, paths, n_paths, &config, &expected);
        pkm_tokenizer_destroy(tokenizer);
    }
    pkm_strbuf_release(&expected);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 4096, .constant = 256 << 20, .refuse = true};
