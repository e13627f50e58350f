/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "format/safetensors.h"
#include "support/check.h"

#include <math.h>
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

/* Writes length, header and data_bytes bytes 0, 1, 2, ... to `file`; length -1: the true one. */
static void write_raw(int64_t length, const char *header, size_t data_bytes)
{
    size_t header_bytes = strlen(header), bytes = 8 + header_bytes + data_bytes;
    unsigned char *all = malloc(bytes);
    uint64_t n = length < 0 ? header_bytes : (uint64_t)length;

    for (int i = 0; i < 8; i++)
        all[i] = (unsigned char)(n >> (8 * i));
    memcpy(all + 8, header, header_bytes);
    for (size_t i = 0; i < data_bytes; i++)
        all[8 + header_bytes + i] = (unsigned char)i;
    check_ok(pkm_file_write(file, all, bytes));
    free(all);
}

#define X(dtype, shape, offsets)                                                                   \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define F32_2 "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

typedef struct malformed {
    const char *header;
    size_t data_bytes;
    pkm_status status;
    const char *culprit, *reason; /* both in the message */
} malformed;

static const malformed cases[] = {
    {"[]", 0, PKM_ERR_FORMAT, "header", "begin with '{'"},
    {" {}", 0, PKM_ERR_FORMAT, "header", "begin with '{'"},
    {"{", 0, PKM_ERR_FORMAT, "line 1", ""},
    {"{} x", 0, PKM_ERR_FORMAT, "line 1", ""},
    {"{\"x\":" F32_2 ",\"x\":" F32_2 "}", 8, PKM_ERR_FORMAT, "duplicate", "x"},
    {"{\"x\":" F32_2 ",\"y\":" F32_2 "}", 8, PKM_ERR_FORMAT, "'y'", "begin at 0"},
    {"{\"x\":" F32_2 "}", 9, PKM_ERR_FORMAT, "1 bytes after", ""},
    {"{\"x\":" F32_2 "}", 7, PKM_ERR_FORMAT, "'x'", "data_offsets[1] is 8"},
    {"{}", 1, PKM_ERR_FORMAT, "1 bytes after", ""},
    {"{\"\":" F32_2 "}", 8, PKM_ERR_FORMAT, "name of 0 bytes", ""},
    {"{\"x\":1}", 0, PKM_ERR_FORMAT, "'x'", "not an object"},
    {"{\"x\":{}}", 0, PKM_ERR_FORMAT, "'x'", "dtype"},
    {"{\"x\":{\"dtype\":\"F32\"}}", 0, PKM_ERR_FORMAT, "'x'", "shape"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, PKM_ERR_FORMAT, "'x'", "data_offsets"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"strides\":[1]}}", 8,
     PKM_ERR_FORMAT, "'x'", "beside"},
    {X("4", "[2]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "dtype"},
    {X("\"F31\"", "[2]", "[0,8]"), 8, PKM_ERR_UNSUPPORTED, "'x'", "F31"},
    {X("\"f32\"", "[2]", "[0,8]"), 8, PKM_ERR_UNSUPPORTED, "'x'", "f32"},
    {X("\"F32\"", "{}", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "shape"},
    {X("\"F32\"", "[-1]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "shape[0] is -1"},
    {X("\"F32\"", "[2.0]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "shape[0]"},
    {X("\"F32\"", "[\"2\"]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "shape[0]"},
    {X("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "9 dimensions"},
    {X("\"F32\"", "[4294967296,4294967296]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "2^47"},
    {X("\"F32\"", "[65536,65536,65536,65536,0]", "[0,0]"), 0, PKM_ERR_FORMAT, "'x'", "2^47"},
    {X("\"U8\"", "[140737488355329]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "shape[0]"},
    {X("\"F4\"", "[3]", "[0,2]"), 2, PKM_ERR_FORMAT, "'x'", "inside a byte"},
    {X("\"F32\"", "[3]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "need 12"},
    {X("\"BF16\"", "[2]", "[0,8]"), 8, PKM_ERR_FORMAT, "'x'", "need 4"},
    {X("\"F32\"", "[2]", "[0]"), 8, PKM_ERR_FORMAT, "'x'", "1 numbers"},
    {X("\"F32\"", "[2]", "[0,8,8]"), 8, PKM_ERR_FORMAT, "'x'", "3 numbers"},
    {X("\"F32\"", "[2]", "[8,0]"), 8, PKM_ERR_FORMAT, "'x'", "backwards"},
    {X("\"F32\"", "[2]", "[-8,0]"), 8, PKM_ERR_FORMAT, "'x'", "data_offsets[0] is -8"},
    {X("\"F32\"", "[2]", "[4,12]"), 12, PKM_ERR_FORMAT, "'x'", "begin at 4: expected 0"},
    {X("\"F32\"", "[2]", "[0,9223372036854775807]"), 8, PKM_ERR_FORMAT, "'x'", "data_offsets[1]"},
    {X("\"F32\"", "[2]", "[0,18446744073709551616]"), 8, PKM_ERR_FORMAT, "line 1", "integer"},
    {X("\"F32\"", "[2]", "[0,8.0]"), 8, PKM_ERR_FORMAT, "'x'", "data_offsets[1]"},
    {"{\"__metadata__\":[]}", 0, PKM_ERR_FORMAT, "__metadata__", "object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, PKM_ERR_FORMAT, "__metadata__", "k is not"},
    {"{\"\xff\":" F32_2 "}", 8, PKM_ERR_FORMAT, "0xff", ""},
};

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
            pkm_st_reader *reader = NULL;

            write_raw(-1, cases[i].header, cases[i].data_bytes);
            check_fails(pkm_st_open(&reader, file, no_mmap != 0), cases[i].status, file,
                        cases[i].culprit, cases[i].reason, NULL);
            assert_null(reader);
        }
}

static void test_header_length(void **state)
{
    static const int64_t lengths[] = {0, 3, 100000001, INT64_MAX, 1000};
    pkm_st_reader *reader = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_raw(lengths[i], "{}", 0);
        check_fails(pkm_st_open(&reader, file, false), PKM_ERR_FORMAT, file, "header", NULL);
    }
    check_fails(pkm_st_open(&reader, folder, false), PKM_ERR_IO, folder, NULL);
}

static void test_long_name(void **state)
{
    char header[700], name[514];
    pkm_st_reader *reader = NULL;

    (void)state;
    for (int length = 512; length <= 513; length++) {
        memset(name, 'n', sizeof name);
        name[length] = '\0';
        snprintf(header, sizeof header, "{\"%s\":%s}", name, F32_2);
        write_raw(-1, header, 8);
        if (length == 512) {
            check_ok(pkm_st_open(&reader, file, false));
            pkm_st_close(reader);
        } else {
            check_fails(pkm_st_open(&reader, file, false), PKM_ERR_FORMAT, "513 bytes", NULL);
        }
    }
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
    check_ok(pkm_st_open(&reader, file, false));
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

/* Every prefix of a good file is refused, none is read past its end (mapped and read). */
static void test_truncated_everywhere(void **state)
{
    char *data;
    size_t bytes;

    (void)state;
    write_small();
    check_ok(pkm_file_read(&data, &bytes, file, 10000));
    for (size_t keep = 0; keep < bytes; keep++) {
        pkm_st_reader *reader = NULL;

        check_ok(pkm_file_write(file, data, keep));
        assert_int_equal(pkm_st_open(&reader, file, keep % 2 == 0), PKM_ERR_FORMAT);
        assert_non_null(strstr(pkm_last_error(), file));
    }
    pkm_free(data);
}

/* Each byte in turn replaced: the reader accepts or refuses, but never reads outside the file. */
static void test_flipped_bytes(void **state)
{
    char *data;
    size_t bytes;

    (void)state;
    write_small();
    check_ok(pkm_file_read(&data, &bytes, file, 10000));
    for (size_t at = 0; at < bytes; at++) {
        pkm_st_reader *reader = NULL;
        char old = data[at];

        data[at] = (char)(old ^ (1 << (at % 8)));
        check_ok(pkm_file_write(file, data, bytes));
        if (pkm_st_open(&reader, file, true) == PKM_OK) {
            unsigned sum = 0;

            for (int64_t i = 0; i < pkm_st_count(reader); i++)
                for (uint64_t b = 0; b < pkm_st_at(reader, i)->bytes; b++)
                    sum += ((const unsigned char *)pkm_st_at(reader, i)->data)[b];
            assert_true(sum > 0);
            pkm_st_close(reader);
        }
        data[at] = old;
    }
    pkm_free(data);
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
    write_raw(-1, header, 20);
    check_ok(pkm_st_open(&reader, file, false));
    assert_int_equal(pkm_st_count(reader), 5);
    assert_int_equal(pkm_st_find(reader, "\xc3\xa9\"")->bytes, 8);
    assert_int_equal(*(const unsigned char *)pkm_st_find(reader, "byte")->data, 0);
    check_ok(pkm_st_copy(reader, "half", half, PKM_F32, 1, &four));
    assert_true(half[0] == (1024 + 0x10c) * ldexpf(1, -22)); /* 0x0d0c = 2^-12 (1 + 0x10c/1024) */
    pkm_st_close(reader);
    write_raw(-1, "{}", 0);
    check_ok(pkm_st_open(&reader, file, true));
    assert_int_equal(pkm_st_count(reader), 0);
    assert_null(pkm_st_find(reader, "x"));
    pkm_st_close(reader);
}

static void test_many_tensors(void **state)
{
    enum { MANY = 20000 };
    pkm_st_entry *entries = calloc(MANY, sizeof *entries);
    char(*names)[16] = calloc(MANY, sizeof *names);
    static const float value = 2;
    pkm_st_reader *reader = NULL;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "t.%d", i);
        entries[i] = (pkm_st_entry){.name = names[i], .dtype = PKM_F32, .data = &value};
    }
    check_ok(pkm_st_write(file, entries, MANY, NULL, 0));
    check_ok(pkm_st_open(&reader, file, false));
    assert_int_equal(pkm_st_count(reader), MANY);
    assert_non_null(pkm_st_find(reader, "t.19999"));
    pkm_st_close(reader);
    free(names);
    free(entries);
}

static void test_writer_refuses(void **state)
{
    static const float value = 2;
    const pkm_st_entry twice[] = {{.name = "x", .dtype = PKM_F32, .data = &value},
                                  {.name = "x", .dtype = PKM_F32, .data = &value}};
    const pkm_st_entry negative = {.name = "y", .n_dims = 1, .dims = {-1}, .data = &value};

    (void)state;
    check_fails(pkm_st_write(file, twice, 2, NULL, 0), PKM_ERR_ARG, "'x'", "twice", NULL);
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
        status = pkm_st_open(&reader, file, true);
        pkm_alloc_set_hook(NULL, NULL);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
    }
    pkm_st_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_truncated_everywhere),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_oddities),
        cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
