/* SPDX-License-Identifier: Apache-2.0 */
#include "text/piece_counts.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"

/* Every byte is counted once: a file of two batches, with a piece that is counted in parts. */
static void test_every_byte_once(void **state)
{
    enum { BYTES = PKM_BATCH_BYTES + (3 << 20), WORD = 10 * PKM_COUNTED_PIECE_MAX + 7 };
    char *folder = temp_create(), *path, *text = malloc(BYTES);
    pkm_file_list files = {0};
    pkm_document document = {0, 0, BYTES};
    static pkm_piece_counts counts;
    int64_t counted = 0;

    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        text[i] = "some words, now and then 123\n"[i % 29];
    memset(text + 1000, 'w', WORD);
    check_ok(pkm_path_join(&path, folder, "text"));
    check_ok(pkm_file_write(path, text, BYTES));
    check_ok(pkm_file_list_add(&files, path));
    check_ok(pkm_piece_counts_add(&counts, &files, &document, 1, NULL, NULL));
    for (int shard = 0; shard < PKM_PIECE_SHARDS; shard++)
        for (size_t i = 0; i < counts.shards[shard].n_slots; i++) {
            const pkm_piece *piece = &counts.shards[shard].slots[i];

            if (piece->count > 0)
                assert_in_range(piece->length, 1, PKM_COUNTED_PIECE_MAX);
            counted += piece->count * piece->length;
        }
    assert_int_equal(counted, BYTES);
    pkm_piece_counts_release(&counts);
    pkm_file_list_release(&files);
    pkm_free(path);
    free(text);
    temp_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
