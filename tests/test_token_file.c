/* SPDX-License-Identifier: Apache-2.0 */
#include "format/token_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/check.h"

static char *folder, *file; /* a temporary folder and the file in it */

static int make_folder(void **state)
{
    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&file, folder, "t.bin"));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(file);
    temp_remove(folder);
    return 0;
}

static pkm_digest write_tokens(const int32_t *ids, int64_t count, int width)
{
    pkm_token_writer *writer;
    pkm_digest digest;

    check_ok(pkm_token_writer_create(&writer, file, width));
    check_ok(pkm_token_writer_write(writer, ids, count / 3));
    check_ok(pkm_token_writer_write(writer, ids + count / 3, count - count / 3));
    assert_int_equal(pkm_token_writer_count(writer), count);
    check_ok(pkm_token_writer_commit(writer, &digest));
    pkm_token_writer_destroy(writer);
    return digest;
}

/* Counts round the size of the writer's chunks, both widths, largest ids. */
static void test_round_trip(void **state)
{
    static const int64_t counts[] = {0, 1, 2, 4095, 4096, 4097, 12289};

    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (int width = 2; width <= 4; width += 2) {
            int64_t count = counts[c], vocab = width == 2 ? 65536 : INT32_MAX;
            int32_t *ids = malloc((size_t)(count + 1) * sizeof *ids);
            int32_t *got = malloc((size_t)(count + 1) * sizeof *got);
            pkm_token_file tokens;

            for (int64_t i = 0; i < count; i++)
                ids[i] = (int32_t)(vocab - 1 - i);
            write_tokens(ids, count, width);
            check_ok(pkm_token_file_open(&tokens, file));
            assert_int_equal(tokens.count, count);
            assert_int_equal(tokens.width, width);
            check_ok(pkm_token_file_read(&tokens, got, 0, count, vocab));
            assert_memory_equal(got, ids, (size_t)count * sizeof *ids);
            pkm_token_file_close(&tokens);
            free(ids);
            free(got);
        }
}

/* The bytes of llm.c's layout, spelt out. */
static void test_layout(void **state)
{
    static const unsigned char head[] = {0x88, 0xd8, 0x34, 0x01, 1, 0, 0, 0, 2, 0, 0, 0, 0};
    static const unsigned char wide_head[] = {0xa1, 0xd9, 0x34, 0x01, 7, 0, 0, 0, 2, 0, 0, 0, 0};
    char *bytes;
    size_t size;

    (void)state;
    write_tokens((int32_t[]){0x0102, 0xfffe}, 2, 2);
    check_ok(pkm_file_read(&bytes, &size, file, 4096));
    assert_int_equal(size, 1024 + 4);
    assert_memory_equal(bytes, head, sizeof head);
    assert_memory_equal(bytes + 1024, "\x02\x01\xfe\xff", 4);
    pkm_free(bytes);
    write_tokens((int32_t[]){0x01020304, 5}, 2, 4);
    check_ok(pkm_file_read(&bytes, &size, file, 4096));
    assert_int_equal(size, 1024 + 8);
    assert_memory_equal(bytes, wide_head, sizeof wide_head);
    assert_memory_equal(bytes + 1024, "\x04\x03\x02\x01\x05\0\0\0", 8);
    pkm_free(bytes);
}

static void test_digest_tells_contents(void **state)
{
    pkm_digest a = write_tokens((int32_t[]){1, 2, 3}, 3, 2);
    pkm_digest b = write_tokens((int32_t[]){1, 2, 3}, 3, 2);
    pkm_digest c = write_tokens((int32_t[]){1, 2, 4}, 3, 2);

    (void)state;
    assert_true(a.high == b.high && a.low == b.low);
    assert_false(a.high == c.high && a.low == c.low);
}

static void test_foreign_ids(void **state)
{
    pkm_token_file tokens;
    int32_t ids[3];

    (void)state;
    write_tokens((int32_t[]){5, 300, -7}, 3, 4);
    check_ok(pkm_token_file_open(&tokens, file));
    check_ok(pkm_token_file_read(&tokens, ids, 0, 1, 300));
    check_fails(pkm_token_file_read(&tokens, ids, 0, 2, 300), PKM_ERR_FORMAT, file,
                "token 1 is 300", NULL);
    check_fails(pkm_token_file_read(&tokens, ids, 2, 1, 300), PKM_ERR_FORMAT, "token 2", NULL);
    pkm_token_file_close(&tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_digest_tells_contents),
        cmocka_unit_test(test_foreign_ids),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
