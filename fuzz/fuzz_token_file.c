/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of token ids: what opens can be read in any part, and written again it is the
 * same file. */
#include <stdlib.h>

#include "format/token_file.h"
#include "fuzz.h"

static void rewrite(const int32_t *ids, int64_t count, int width)
{
    pkm_token_writer *writer;
    pkm_digest digest;
    bool written;

    if (!fuzz_must(pkm_token_writer_create(&writer, fuzz_path("again"), width)))
        return;
    written = fuzz_must(pkm_token_writer_write(writer, ids, count)) &&
              fuzz_must(pkm_token_writer_commit(writer, &digest));
    pkm_token_writer_destroy(writer);
    fuzz_check(!written || fuzz_same("file", "again"), "a file written again is the same");
}

static void run(const uint8_t *data, size_t size)
{
    pkm_token_file file;
    int64_t vocab_size = size > 0 ? (int64_t)1 << data[size - 1] % 32 : 1;
    int32_t *ids;

    fuzz_write("file", data, size);
    if (!fuzz_ok(pkm_token_file_open(&file, fuzz_path("file"))))
        return;
    fuzz_loaded();
    ids = malloc(sizeof *ids * ((size_t)file.count + 1));
    fuzz_check(ids != NULL, "a count fits the file");
    if (fuzz_ok(pkm_token_file_read(&file, ids, 0, file.count, vocab_size)))
        for (int64_t i = 0; i < file.count; i++)
            fuzz_check(ids[i] >= 0 && ids[i] < vocab_size, "an id is in the vocabulary");
    (void)fuzz_ok(pkm_token_file_read(&file, ids, file.count / 2, file.count - file.count / 2, 1));
    if (fuzz_ok(pkm_token_file_read(&file, ids, 0, file.count, INT32_MAX)))
        rewrite(ids, file.count, file.width);
    free(ids);
    pkm_token_file_close(&file);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 0, .constant = 1 << 10};
