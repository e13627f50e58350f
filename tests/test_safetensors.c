/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "format/safetensors.h"
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder, *file; /* a temporary folder and the file in it */

static int make_folder(void **state)
{
    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&file, folder, "m.safetensors"));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(file);
    temp_remove(folder);
    return 0;
}

/* Writes header and data_bytes bytes 0, 1, 2, ... to `file`. */
static void write_raw(const char *header, size_t data_bytes)
{
    size_t header_bytes = strlen(header), bytes = 8 + header_bytes + data_bytes;
    unsigned char *all = malloc(bytes);

    for (int i = 0; i < 8; i++)
        all[i] = (unsigned char)((uint64_t)header_bytes >> (8 * i));
    memcpy(all + 8, header, header_bytes);
    for (size_t i = 0; i < data_bytes; i++)
        all[8 + header_bytes + i] = (unsigned char)i;
    check_ok(pkm_file_write(file, all, bytes));
    free(all);
}

static void write_small(void)
{
    static const float a[6] = {1, -2, 0.5f, NAN, INFINITY, 3};
    static const uint16_t b[2] = {0x3f80, 0xc000};
    static const int32_t c = 7;
    static const pkm_st_entry entries[] = {
        {.name = "b", .dtype = PKM_BF16, .n_dims = 1, .dims = {2}, .data = b},
        {.name = "c", .dtype = PKM_I32, .n_dims = 0, .data = &c},
        {.name = "a", .dtype = PKM_F32, .n_dims = 2, .dims = {2, 3}, .data = a},
        {.name = "none", .dtype = PKM_F32, .n_dims = 2, .dims = {0, 3}, .data = NULL},
    };
    static const char *const metadata[][2] = {{"pkm_step", "12"}};

    check_ok(pkm_st_write(file, entries, 4, metadata, 1));
}

/* Order: element size, then name; data at a multiple of 64; what was written comes back. */
static void test_round_trip(void **state)
{
    static const float want[6] = {1, -2, 0.5f, NAN, INFINITY, 3};
    static const int64_t dims[2] = {2, 3};
    pkm_st_reader *reader = NULL;
    const pkm_st_tensor *a, *b;
    float got[6];
    uint16_t brain[6];

    (void)state;
    write_small();
    check_ok(pkm_st_open(&reader, file, PKM_ST_MAP));
    assert_int_equal(pkm_st_count(reader), 4);
    assert_string_equal(pkm_st_metadata(reader, "format"), "pt");
    assert_string_equal(pkm_st_metadata(reader, "pkm_step"), "12");
    assert_null(pkm_st_metadata(reader, "none"));
    assert_string_equal(pkm_st_at(reader, 0)->name, "a");
    assert_null(pkm_st_find(reader, "missing"));
    a = pkm_st_find(reader, "a");
    b = pkm_st_find(reader, "b");
    assert_int_equal((uintptr_t)a->data % 64, 0);
    assert_ptr_equal(b->data, (const char *)a->data + 24 + 4);
    check_ok(pkm_st_copy(reader, "a", got, PKM_F32, 2, dims));
    assert_memory_equal(got, want, sizeof want);
    check_ok(pkm_st_copy(reader, "a", brain, PKM_BF16, 2, dims));
    assert_int_equal(brain[1], 0xc000);
    check_ok(pkm_st_copy(reader, "b", got, PKM_F32, 1, dims));
    assert_true(got[0] == 1.0f && got[1] == -2.0f);
    check_fails(pkm_st_copy(reader, "d", got, PKM_F32, 1, dims), PKM_ERR_FORMAT, file, "'d'",
                "missing", NULL);
    check_fails(pkm_st_copy(reader, "a", got, PKM_F32, 1, dims), PKM_ERR_SHAPE, file, "'a'",
                "[2, 3]", "expected [2]", NULL);
    check_fails(pkm_st_copy(reader, "c", got, PKM_F32, 0, dims), PKM_ERR_UNSUPPORTED, "'c'", "I32",
                NULL);
    pkm_st_close(reader);
}

/* Legal oddities load: no tensors, rank 0, empty, unaligned, escapes, trailing spaces, odd types.
 */
static void test_oddities(void **state)
{
    static const char header[] =
        "{\"byte\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
        "\"\\u00e9\\\"\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,2],\"data_offsets\":[1,9]},"
        "\"empty\":{\"shape\":[0,5],\"data_offsets\":[1,1],\"dtype\":\"F64\"},"
        "\"six\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[9,12]},"
        "\"half\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[12,20]},"
        "\"__metadata__\":{}}     ";
    static const int64_t four = 4;
    pkm_st_reader *reader = NULL;
    float half[4];

    (void)state;
    write_raw(header, 20);
    check_ok(pkm_st_open(&reader, file, PKM_ST_MAP));
    assert_int_equal(pkm_st_count(reader), 5);
    assert_int_equal(pkm_st_find(reader, "\xc3\xa9\"")->bytes, 8);
    assert_int_equal(*(const unsigned char *)pkm_st_find(reader, "byte")->data, 0);
    check_ok(pkm_st_copy(reader, "half", half, PKM_F32, 1, &four));
    assert_true(half[0] == (1024 + 0x10c) * ldexpf(1, -22)); /* 0x0d0c = 2^-12 (1 + 0x10c/1024) */
    pkm_st_close(reader);
    write_raw("{}", 0);
    check_ok(pkm_st_open(&reader, file, PKM_ST_READ));
    assert_int_equal(pkm_st_count(reader), 0);
    assert_null(pkm_st_find(reader, "x"));
    pkm_st_close(reader);
}

static void test_writer_refuses(void **state)
{
    static const float value = 2;
    const pkm_st_entry twice[] = {{.name = "x", .dtype = PKM_F32, .data = &value},
                                  {.name = "x", .dtype = PKM_F32, .data = &value}};
    const pkm_st_entry nameless = {.name = "", .dtype = PKM_F32, .data = &value};
    const pkm_st_entry reserved = {.name = "__metadata__", .dtype = PKM_F32, .data = &value};
    const pkm_st_entry negative = {.name = "y", .n_dims = 1, .dims = {-1}, .data = &value};

    (void)state;
    check_fails(pkm_st_write(file, twice, 2, NULL, 0), PKM_ERR_ARG, "'x'", "twice", NULL);
    check_fails(pkm_st_write(file, &nameless, 1, NULL, 0), PKM_ERR_ARG, "1 to 512 bytes", NULL);
    check_fails(pkm_st_write(file, &reserved, 1, NULL, 0), PKM_ERR_ARG, "__metadata__", NULL);
    check_fails(pkm_st_write(file, &negative, 1, NULL, 0), PKM_ERR_ARG, "'y'", NULL);
    check_fails(pkm_st_write("/nowhere/x", twice, 1, NULL, 0), PKM_ERR_IO, "/nowhere/x", NULL);
}

/* The n-th allocation fails, n = 1, 2, ...: an error each time, never a crash or a leak. */
static bool count_down(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int *)user == 0;
}

static void test_out_of_memory(void **state)
{
    pkm_st_reader *reader = NULL;
    pkm_status status = PKM_ERR_NOMEM;

    (void)state;
    write_small();
    for (int n = 1; status != PKM_OK; n++) {
        int left = n;

        pkm_alloc_set_hook(count_down, &left);
        status = pkm_st_open(&reader, file, PKM_ST_READ);
        pkm_alloc_set_hook(NULL, NULL);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
    }
    pkm_st_close(reader);
}

/* Kilobytes of files that lie in this process's memory. */
static long mapped_kb(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[128];
    long kb = -1;

    assert_non_null(status);
    while (kb < 0 && fgets(line, sizeof line, status) != NULL)
        (void)sscanf(line, "RssFile: %ld", &kb);
    assert_int_equal(fclose(status), 0);
    assert_true(kb >= 0);
    return kb;
}

/* More than a piece, and no whole pages: every byte arrives, and the file leaves memory again. */
static void test_copy_leaves_no_file_behind(void **state)
{
    enum { COUNT = (1 << 24) + 301 };
    uint32_t *want = malloc(COUNT * sizeof *want), *got = malloc(COUNT * sizeof *got);
    const pkm_st_entry entry = {
        .name = "large", .dtype = PKM_F32, .n_dims = 1, .dims = {COUNT}, .data = want};
    pkm_st_reader *reader = NULL;
    long before;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++)
        want[i] = i * 2654435761u;
    check_ok(pkm_st_write(file, &entry, 1, NULL, 0));
    check_ok(pkm_st_open(&reader, file, PKM_ST_MAP));
    before = mapped_kb();
    check_ok(pkm_st_copy(reader, "large", got, PKM_F32, 1, entry.dims));
    assert_true(mapped_kb() < before + 4096);
    assert_memory_equal(got, want, COUNT * sizeof *want);
    assert_memory_equal(pkm_st_find(reader, "large")->data, want, COUNT * sizeof *want);
    pkm_st_close(reader);
    free(want);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_oddities),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_copy_leaves_no_file_behind),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
