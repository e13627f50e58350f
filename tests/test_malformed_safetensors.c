/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile safetensors files: the rules of the format and the limits of docs/formats.md. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "format/safetensors.h"
#include "support/check.h"
#include "support/malformed.h"

enum { DATA = 16 }; /* bytes behind the header */

#define X_ENTRY "'x':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}"
#define Y_ENTRY "'y':{'dtype':'BF16','shape':[2,2],'data_offsets':[8,16]}"

static const char good_header[] = "{'__metadata__':{'format':'pt'}," X_ENTRY "," Y_ENTRY "}";

static char *folder, *file;

static void put_length(unsigned char *data, size_t length)
{
    for (int i = 0; i < 8; i++)
        data[i] = (unsigned char)(length >> (8 * i));
}

/* The length of a header that was changed. */
static void repair(unsigned char *data, size_t bytes)
{
    if (bytes >= 8 + DATA)
        put_length(data, bytes - 8 - DATA);
}

static int make_folder(void **state)
{
    unsigned char data[8 + sizeof good_header - 1 + DATA];
    size_t length = sizeof good_header - 1;

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&file, folder, "m.safetensors"));
    put_length(data, length);
    for (size_t i = 0; i < length; i++)
        data[8 + i] = good_header[i] == '\'' ? '"' : (unsigned char)good_header[i];
    for (int i = 0; i < DATA; i++)
        data[8 + length + (size_t)i] = (unsigned char)i;
    malformed_write(file, data, sizeof data);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(file);
    temp_remove(folder);
    return 0;
}

static pkm_status read_once(const char *path, pkm_st_mode mode)
{
    pkm_st_reader *reader = NULL;
    unsigned sum = 0;
    pkm_status status = pkm_st_open(&reader, path, mode);

    if (status != PKM_OK) {
        assert_null(reader);
        return status;
    }
    for (int64_t i = 0; i < pkm_st_count(reader); i++) {
        const pkm_st_tensor *tensor = pkm_st_at(reader, i);

        assert_ptr_equal(pkm_st_find(reader, tensor->name), tensor);
        assert_true((tensor->data == NULL) == (mode == PKM_ST_HEADER));
        for (uint64_t b = 0; mode != PKM_ST_HEADER && b < tensor->bytes; b++)
            sum += ((const unsigned char *)tensor->data)[b];
    }
    assert_true(sum < UINT32_MAX);
    pkm_st_close(reader);
    return PKM_OK;
}

/* All three ways of holding a file say the same. */
static pkm_status read_file(const char *path)
{
    pkm_status status = read_once(path, PKM_ST_MAP);
    char *message = strdup(pkm_last_error());

    for (pkm_st_mode mode = PKM_ST_READ; mode <= PKM_ST_HEADER; mode++) {
        assert_int_equal(read_once(path, mode), status);
        assert_string_equal(pkm_last_error(), message);
    }
    free(message);
    return status;
}

/* The whole file as it stands. */
static const malformed_case lengths[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"0 bytes"}},
    {"seven bytes", {0}, BYTES("\2\0\0\0\0\0\0"), PKM_ERR_FORMAT, {"7 bytes"}},
    {"a length alone", {0}, BYTES("\2\0\0\0\0\0\0\0"), PKM_ERR_FORMAT, {"header length is 2"}},
    {"length 0", {0}, BYTES("\0\0\0\0\0\0\0\0{}"), PKM_ERR_FORMAT, {"header", "'{'"}},
    {"length too short", {0}, BYTES("\1\0\0\0\0\0\0\0{}"), PKM_ERR_FORMAT, {"line 1"}},
    {"length one too long", {0}, BYTES("\3\0\0\0\0\0\0\0{}"), PKM_ERR_FORMAT, {"length is 3"}},
    {"length 100 MB + 1", {0}, BYTES("\1\xe1\xf5\5\0\0\0\0{}"), PKM_ERR_FORMAT, {"100000001"}},
    {"length 2^32", {0}, BYTES("\0\0\0\0\1\0\0\0{}"), PKM_ERR_FORMAT, {"4294967296"}},
    {"length 2^63", {0}, BYTES("\0\0\0\0\0\0\0\x80{}"), PKM_ERR_FORMAT, {"9223372036854775808"}},
    {"length 2^64 - 8",
     {0},
     BYTES("\xf8\xff\xff\xff\xff\xff\xff\xff{}"),
     PKM_ERR_FORMAT,
     {"18446744073709551608"}},
    {"length 2^64 - 1",
     {0},
     BYTES("\xff\xff\xff\xff\xff\xff\xff\xff{}"),
     PKM_ERR_FORMAT,
     {"18446744073709551615"}},
    {"big-endian length", {0}, BYTES("\0\0\0\0\0\0\0\2{}"), PKM_ERR_FORMAT, {"header length"}},
    {"an array", {0}, BYTES("\2\0\0\0\0\0\0\0[]"), PKM_ERR_FORMAT, {"header", "'{'"}},
    {"a pickle", {0}, BYTES("\x80\2}q\0(X\1\0\0\0aq\1K\1u."), PKM_ERR_FORMAT, {"header length"}},
    {"a zip", {0}, BYTES("PK\3\4\0\0\0\0\0\0\0\0"), PKM_ERR_FORMAT, {"header length"}},
    {"a GGUF", {0}, BYTES("GGUF\3\0\0\0\0\0\0\0\0\0\0\0"), PKM_ERR_FORMAT, {"header length"}},
    {"data without tensors", {0}, BYTES("\2\0\0\0\0\0\0\0{}x"), PKM_ERR_FORMAT, {"1 bytes after"}},
    {"a byte of data missing", BYTES("\16\17"), BYTES("\16"), PKM_ERR_FORMAT, {"'y'", "is 16"}},
    {"a byte of data too many", BYTES("\16\17"), BYTES("\16\17x"), PKM_ERR_FORMAT, {"1 bytes"}},
};

/* The header is changed, its length put right. */
static const malformed_case headers[] = {
    {"space before the header", BYTES("{'__m"), BYTES(" {'__m"), PKM_ERR_FORMAT, {"begin with"}},
    {"byte order mark", BYTES("{'__m"), BYTES("\xef\xbb\xbf{'__m"), PKM_ERR_FORMAT, {"begin"}},
    {"unclosed", BYTES("[8,16]}}"), BYTES("[8,16]}"), PKM_ERR_FORMAT, {"line 1"}},
    {"text after it", BYTES("[8,16]}}"), BYTES("[8,16]}}x"), PKM_ERR_FORMAT, {"line 1"}},
    {"a second object", BYTES("[8,16]}}"), BYTES("[8,16]}}{}"), PKM_ERR_FORMAT, {"line 1"}},
    {"padded with zeros", BYTES("[8,16]}}"), BYTES("[8,16]}}\0\0"), PKM_ERR_FORMAT, {"line 1"}},
    {"padded with newline and NUL", BYTES("}}"), BYTES("}\n\0}"), PKM_ERR_FORMAT, {"line 2"}},
    {"a comment", BYTES("'x':"), BYTES("/**/'x':"), PKM_ERR_FORMAT, {"line 1"}},
    {"single comma", BYTES("{'format':'pt'}"), BYTES("{'format':'pt',}"), PKM_ERR_FORMAT, {"line"}},
    {"duplicate tensor", BYTES("'y':"), BYTES("'x':"), PKM_ERR_FORMAT, {"duplicate", "x"}},
    {"duplicate by escape", BYTES("'y':"), BYTES("'\\u0078':"), PKM_ERR_FORMAT, {"duplicate"}},
    {"duplicate field", BYTES("'shape'"), BYTES("'dtype'"), PKM_ERR_FORMAT, {"duplicate"}},
    {"duplicate metadata", BYTES("'x':"), BYTES("'__metadata__':"), PKM_ERR_FORMAT, {"duplicate"}},
    {"duplicate key of metadata",
     BYTES("'pt'}"),
     BYTES("'pt','format':'pt'}"),
     PKM_ERR_FORMAT,
     {"duplicate", "format"}},
    {"metadata a list",
     BYTES("{'format':'pt'}"),
     BYTES("['pt']"),
     PKM_ERR_FORMAT,
     {"__metadata__"}},
    {"metadata null", BYTES("{'format':'pt'}"), BYTES("null"), PKM_ERR_FORMAT, {"__metadata__"}},
    {"number in metadata", BYTES("'pt'"), BYTES("1"), PKM_ERR_FORMAT, {"__metadata__", "format"}},
    {"object in metadata", BYTES("'pt'"), BYTES("{}"), PKM_ERR_FORMAT, {"__metadata__", "format"}},
    {"empty name", BYTES("'x':"), BYTES("'':"), PKM_ERR_FORMAT, {"name of 0 bytes"}},
    {"NUL in a name", BYTES("'x':"), BYTES("'x\\u0000y':"), PKM_ERR_FORMAT, {"line 1"}},
    {"raw NUL in a name", BYTES("'x':"), BYTES("'x\0y':"), PKM_ERR_FORMAT, {"line 1"}},
    {"newline in a name", BYTES("'x':"), BYTES("'x\ny':"), PKM_ERR_FORMAT, {"line"}},
    {"NUL in a dtype", BYTES("'F32'"), BYTES("'F32\\u0000'"), PKM_ERR_FORMAT, {"line 1"}},
    {"0xff in a name", BYTES("'x':"), BYTES("'\xff':"), PKM_ERR_FORMAT, {"0xff"}},
    {"overlong UTF-8", BYTES("'x':"), BYTES("'\xc0\xaf':"), PKM_ERR_FORMAT, {"line 1"}},
    {"cut UTF-8", BYTES("'x':"), BYTES("'\xe6\xbc':"), PKM_ERR_FORMAT, {"line 1"}},
    {"UTF-8 surrogate", BYTES("'x':"), BYTES("'\xed\xa0\x80':"), PKM_ERR_FORMAT, {"line 1"}},
    {"lone surrogate escape", BYTES("'x':"), BYTES("'\\ud800':"), PKM_ERR_FORMAT, {"line 1"}},
    {"entry a number", BYTES(X_ENTRY), BYTES("'x':1"), PKM_ERR_FORMAT, {"'x'", "not an object"}},
    {"entry null", BYTES(X_ENTRY), BYTES("'x':null"), PKM_ERR_FORMAT, {"'x'", "not an object"}},
    {"entry a list", BYTES(X_ENTRY), BYTES("'x':[]"), PKM_ERR_FORMAT, {"'x'", "not an object"}},
    {"entry empty", BYTES(X_ENTRY), BYTES("'x':{}"), PKM_ERR_FORMAT, {"'x'", "dtype"}},
    {"no dtype", BYTES("'dtype':'F32',"), {0}, PKM_ERR_FORMAT, {"'x'", "dtype is missing"}},
    {"no shape", BYTES("'shape':[2],"), {0}, PKM_ERR_FORMAT, {"'x'", "shape is missing"}},
    {"no offsets", BYTES(",'data_offsets':[0,8]"), {0}, PKM_ERR_FORMAT, {"'x'", "data_offsets"}},
    {"a field more",
     BYTES("'shape':[2]"),
     BYTES("'shape':[2],'strides':[1]"),
     PKM_ERR_FORMAT,
     {"'x'", "fields beside"}},
    {"dtype a number", BYTES("'F32'"), BYTES("4"), PKM_ERR_FORMAT, {"'x'", "dtype"}},
    {"dtype null", BYTES("'F32'"), BYTES("null"), PKM_ERR_FORMAT, {"'x'", "dtype"}},
    {"dtype empty", BYTES("'F32'"), BYTES("''"), PKM_ERR_UNSUPPORTED, {"'x'", "dtype is \"\""}},
    {"dtype unknown", BYTES("'F32'"), BYTES("'F31'"), PKM_ERR_UNSUPPORTED, {"'x'", "F31"}},
    {"dtype in lower case", BYTES("'F32'"), BYTES("'f32'"), PKM_ERR_UNSUPPORTED, {"'x'", "f32"}},
    {"dtype of torch", BYTES("'F32'"), BYTES("'float32'"), PKM_ERR_UNSUPPORTED, {"'x'", "float32"}},
    {"dtype with space", BYTES("'F32'"), BYTES("'F32 '"), PKM_ERR_UNSUPPORTED, {"'x'", "F32 "}},
    {"narrower dtype", BYTES("'F32'"), BYTES("'BF16'"), PKM_ERR_FORMAT, {"'x'", "need 4"}},
    {"wider dtype", BYTES("'F32'"), BYTES("'F64'"), PKM_ERR_FORMAT, {"'x'", "need 16"}},
    {"shape an object", BYTES("[2]"), BYTES("{}"), PKM_ERR_FORMAT, {"'x'", "shape"}},
    {"shape a number", BYTES("[2]"), BYTES("2"), PKM_ERR_FORMAT, {"'x'", "shape"}},
    {"shape null", BYTES("[2]"), BYTES("null"), PKM_ERR_FORMAT, {"'x'", "shape"}},
    {"dimension -1", BYTES("[2]"), BYTES("[-1]"), PKM_ERR_FORMAT, {"'x'", "shape[0] is -1"}},
    {"two dimensions negative",
     BYTES("[2]"),
     BYTES("[-1,-2]"),
     PKM_ERR_FORMAT,
     {"'x'", "shape[0]"}},
    {"dimension 2.0", BYTES("[2]"), BYTES("[2.0]"), PKM_ERR_FORMAT, {"'x'", "shape[0]"}},
    {"dimension 2e0", BYTES("[2]"), BYTES("[2e0]"), PKM_ERR_FORMAT, {"'x'", "shape[0]"}},
    {"dimension a string", BYTES("[2]"), BYTES("['2']"), PKM_ERR_FORMAT, {"'x'", "shape[0]"}},
    {"dimension true", BYTES("[2]"), BYTES("[true]"), PKM_ERR_FORMAT, {"'x'", "shape[0]"}},
    {"dimension null", BYTES("[2]"), BYTES("[2,null]"), PKM_ERR_FORMAT, {"'x'", "shape[1]"}},
    {"dimension a list", BYTES("[2]"), BYTES("[[2]]"), PKM_ERR_FORMAT, {"'x'", "shape[0]"}},
    {"nine dimensions",
     BYTES("[2]"),
     BYTES("[1,1,1,1,1,1,1,1,2]"),
     PKM_ERR_FORMAT,
     {"'x'", "9 dimensions: expected at most 8"}},
    {"dimension 2^47 + 1", BYTES("[2]"), BYTES("[140737488355329]"), PKM_ERR_FORMAT, {"shape[0]"}},
    {"dimension 2^63 - 1",
     BYTES("[2]"),
     BYTES("[9223372036854775807]"),
     PKM_ERR_FORMAT,
     {"'x'", "shape[0] is 9223372036854775807"}},
    {"dimension 2^63", BYTES("[2]"), BYTES("[9223372036854775808]"), PKM_ERR_FORMAT, {"too big"}},
    {"product 2^64", BYTES("[2]"), BYTES("[4294967296,4294967296]"), PKM_ERR_FORMAT, {"2^47"}},
    {"product wraps to 2",
     BYTES("[2]"),
     BYTES("[2,65537,65536,65536,65536]"),
     PKM_ERR_FORMAT,
     {"'x'", "2^47"}},
    {"product wraps to 0, then 0",
     BYTES("[2]"),
     BYTES("[65536,65536,65536,65536,0]"),
     PKM_ERR_FORMAT,
     {"'x'", "2^47"}},
    {"2^47 elements", BYTES("[2]"), BYTES("[140737488355328]"), PKM_ERR_FORMAT, {"span 8 bytes"}},
    {"element too many", BYTES("[2]"), BYTES("[3]"), PKM_ERR_FORMAT, {"'x'", "need 12"}},
    {"element too few", BYTES("[2]"), BYTES("[1]"), PKM_ERR_FORMAT, {"'x'", "need 4"}},
    {"no element", BYTES("[2]"), BYTES("[0]"), PKM_ERR_FORMAT, {"'x'", "need 0"}},
    {"rank 0", BYTES("[2]"), BYTES("[]"), PKM_ERR_FORMAT, {"'x'", "need 4"}},
    {"half a byte",
     BYTES("'F32','shape':[2]"),
     BYTES("'F4','shape':[3]"),
     PKM_ERR_FORMAT,
     {"byte"}},
    {"offsets an object", BYTES("[0,8]"), BYTES("{}"), PKM_ERR_FORMAT, {"'x'", "data_offsets"}},
    {"offsets null", BYTES("[0,8]"), BYTES("null"), PKM_ERR_FORMAT, {"'x'", "data_offsets"}},
    {"no offset", BYTES("[0,8]"), BYTES("[]"), PKM_ERR_FORMAT, {"'x'", "0 numbers"}},
    {"one offset", BYTES("[0,8]"), BYTES("[0]"), PKM_ERR_FORMAT, {"'x'", "1 numbers"}},
    {"three offsets", BYTES("[0,8]"), BYTES("[0,8,8]"), PKM_ERR_FORMAT, {"'x'", "3 numbers"}},
    {"offsets backwards", BYTES("[0,8]"), BYTES("[8,0]"), PKM_ERR_FORMAT, {"'x'", "backwards"}},
    {"negative offset", BYTES("[0,8]"), BYTES("[-8,0]"), PKM_ERR_FORMAT, {"data_offsets[0] is -8"}},
    {"offset a real", BYTES("[0,8]"), BYTES("[0,8.0]"), PKM_ERR_FORMAT, {"data_offsets[1]"}},
    {"offset a string", BYTES("[0,8]"), BYTES("['0',8]"), PKM_ERR_FORMAT, {"data_offsets[0]"}},
    {"offset one past the end", BYTES("[8,16]"), BYTES("[9,17]"), PKM_ERR_FORMAT, {"[1] is 17"}},
    {"offset 2^63 - 1",
     BYTES("[0,8]"),
     BYTES("[0,9223372036854775807]"),
     PKM_ERR_FORMAT,
     {"'x'", "data_offsets[1] is 9223372036854775807"}},
    {"offset 2^63", BYTES("[0,8]"), BYTES("[0,9223372036854775808]"), PKM_ERR_FORMAT, {"too big"}},
    {"offset 2^64", BYTES("[0,8]"), BYTES("[0,18446744073709551616]"), PKM_ERR_FORMAT, {"too big"}},
    {"the same place twice",
     BYTES("[8,16]"),
     BYTES("[0,8]"),
     PKM_ERR_FORMAT,
     {"'y'", "begin at 0: expected 8"}},
    {"overlap",
     BYTES("[8,16]"),
     BYTES("[4,12]"),
     PKM_ERR_FORMAT,
     {"'y'", "begin at 4: expected 8"}},
    {"a tensor inside another",
     BYTES("'BF16','shape':[2,2],'data_offsets':[8,16]"),
     BYTES("'U8','shape':[2],'data_offsets':[2,4]"),
     PKM_ERR_FORMAT,
     {"'y'", "begin at 2"}},
    {"a hole before the first", BYTES("[0,8]"), BYTES("[8,16]"), PKM_ERR_FORMAT, {"expected 0"}},
    {"a hole between",
     BYTES("[2],'data_offsets':[0,8]"),
     BYTES("[1],'data_offsets':[0,4]"),
     PKM_ERR_FORMAT,
     {"'y'", "begin at 8: expected 4"}},
    {"an empty tensor inside another",
     BYTES("[2,2],'data_offsets':[8,16]"),
     BYTES("[0],'data_offsets':[4,4]"),
     PKM_ERR_FORMAT,
     {"'y'", "begin at 4"}},
    {"data that no tensor has", BYTES("," Y_ENTRY), {0}, PKM_ERR_FORMAT, {"8 bytes after"}},
};

static void test_lengths(void **state)
{
    const malformed_format format = {
        .name = "safetensors, whole", .file = file, .quotes = true, .read = read_file};

    (void)state;
    malformed_check(&format, lengths, sizeof lengths / sizeof lengths[0]);
}

static void test_headers(void **state)
{
    const malformed_format format = {.name = "safetensors, header",
                                     .file = file,
                                     .quotes = true,
                                     .read = read_file,
                                     .repair = repair};

    (void)state;
    malformed_check(&format, headers, sizeof headers / sizeof headers[0]);
}

/* Writes a header, put together by a test, with `data` bytes behind it. */
static void write_header(const char *header, size_t length, size_t data)
{
    unsigned char *all = calloc(1, 8 + length + data);

    put_length(all, length);
    memcpy(all + 8, header, length);
    malformed_write(file, all, 8 + length + data);
    free(all);
}

/* Limits: the last value that is allowed, and the first that is not. */
static void test_limits(void **state)
{
    char header[700], name[514], nest[200];
    pkm_st_reader *reader = NULL;

    (void)state;
    for (size_t length = 512; length <= 513; length++) {
        memset(name, 'n', sizeof name);
        name[length] = '\0';
        snprintf(header, sizeof header,
                 "{\"%s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", name);
        write_header(header, strlen(header), 1);
        if (length == 512)
            check_ok(read_file(file));
        else
            check_fails(read_file(file), PKM_ERR_FORMAT, file, "513 bytes: expected 1 to 512",
                        NULL);
    }
    for (int depth = 64; depth <= 65; depth++) { /* of brackets, the header's own included */
        memset(nest, '[', sizeof nest);
        memcpy(nest, "{\"a\":", 5);
        memset(nest + 5 + depth - 1, ']', (size_t)depth - 1);
        nest[5 + 2 * (depth - 1)] = '}';
        write_header(nest, 5 + 2 * ((size_t)depth - 1) + 1, 0);
        check_fails(read_file(file), PKM_ERR_FORMAT, file,
                    depth == 64 ? "'a'" : "deeper than 64 levels", NULL);
    }
    malformed_write(file, "\1\xe1\xf5\5\0\0\0\0{", 9); /* a header of 100 MB + 1, in holes */
    assert_int_equal(truncate(file, 100000100), 0);
    check_fails(read_file(file), PKM_ERR_FORMAT, file, "100000001: expected at most 100000000",
                NULL);
    check_fails(pkm_st_open(&reader, folder, PKM_ST_MAP), PKM_ERR_IO, folder, "is a folder", NULL);
}

/* 100,000 tensors are sorted and looked up, not compared with one another. */
static void test_many_tensors(void **state)
{
    enum { MANY = 100000, ENTRY = 80 };
    char *header = malloc(MANY * ENTRY);
    size_t length = 1;
    pkm_st_reader *reader;

    (void)state;
    header[0] = '{';
    for (int i = 0; i < MANY; i++) /* in no order: multiples of a number without common factor */
        length += (size_t)snprintf(header + length, ENTRY,
                                   "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],"
                                   "\"data_offsets\":[%d,%d]}",
                                   i == 0 ? "" : ",", i, (int)((int64_t)i * 77773 % MANY),
                                   (int)((int64_t)i * 77773 % MANY + 1));
    header[length++] = '}';
    write_header(header, length, MANY);
    for (pkm_st_mode mode = PKM_ST_MAP; mode <= PKM_ST_HEADER; mode++) {
        check_ok(pkm_st_open(&reader, file, mode));
        assert_int_equal(pkm_st_count(reader), MANY);
        assert_int_equal(pkm_st_find(reader, "t3")->offset, 3 * 77773 % MANY);
        pkm_st_close(reader);
    }
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lengths, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_headers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_limits, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_many_tensors, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
