/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of format/safetensors.h. Everything is checked when the file is opened: afterwards a
 * tensor's bytes are known to lie in the file and to fit its shape. The names live in the parsed
 * header, which jansson keeps in a hash table (duplicates are refused there).
 */
#include "format/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/io.h"
#include "base/size.h"
#include "base/strbuf.h"
#include "format/json.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100000000, MAX_TENSORS = 1000000 };
static const int64_t max_elements = (int64_t)1 << 47;

/* A part of the file: the text of the header, or the data buffer. */
typedef struct span {
    const char *data;
    size_t bytes;
} span;

/* A piece of a tensor that is copied at once: many pages. */
enum { COPY_BYTES = 1 << 26 };

struct pkm_st_reader {
    char *path;
    pkm_file_map map; /* the whole file, if it is mapped */
    char *copy;       /* what was read instead: the whole file or its header */
    span data;        /* data.data NULL if only the header was read */
    json_t *header;
    pkm_st_tensor *tensors; /* [count], sorted by name */
    int64_t count;
};

typedef struct element_type {
    const char *name;
    int bits;
} element_type;

static const element_type element_types[] = {
    {"F32", 32},    {"BF16", 16},   {"F16", 16},        {"F64", 64},        {"I64", 64},
    {"U64", 64},    {"I32", 32},    {"U32", 32},        {"I16", 16},        {"U16", 16},
    {"I8", 8},      {"U8", 8},      {"BOOL", 8},        {"C64", 64},        {"F8_E4M3", 8},
    {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
    {"F6_E3M2", 6}, {"F4", 4},
};

static const element_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof element_types / sizeof element_types[0]; i++)
        if (strcmp(element_types[i].name, name) == 0)
            return &element_types[i];
    return NULL;
}

static uint64_t read_u64(const char *bytes)
{
    uint64_t value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

/* "file: tensor 'name'", what messages about one tensor begin with. */
static pkm_status tensor_context(pkm_status status, const char *path, const char *name)
{
    pkm_error_prefix("%s: tensor '%.512s'", path, name);
    return status;
}

/* An unsigned number of a shape or of offsets. */
static pkm_status array_number(int64_t *out, const json_t *array, size_t index, const char *field,
                               int64_t max)
{
    const json_t *value = json_array_get(array, index);
    int64_t number;

    if (!json_is_integer(value))
        return pkm_fail(PKM_ERR_FORMAT, "%s[%zu] is not an integer", field, index);
    number = json_integer_value(value);
    if (number < 0 || number > max)
        return pkm_fail(PKM_ERR_FORMAT, "%s[%zu] is %lld: expected 0 to %lld", field, index,
                        (long long)number, (long long)max);
    *out = number;
    return PKM_OK;
}

/* Rank, dims and the bytes they stand for. */
static pkm_status read_shape(pkm_st_tensor *tensor, const json_t *shape, const element_type *type)
{
    size_t rank = json_array_size(shape), bits;

    if (rank > PKM_ST_DIMS)
        return pkm_fail(PKM_ERR_FORMAT, "shape has %zu dimensions: expected at most %d", rank,
                        PKM_ST_DIMS);
    for (size_t i = 0; i < rank; i++)
        PKM_TRY(array_number(&tensor->dims[i], shape, i, "shape", max_elements));
    tensor->n_dims = (int)rank;
    if (!pkm_size_shape(tensor->dims, tensor->n_dims, (size_t)type->bits, &bits) ||
        bits / (size_t)type->bits > (size_t)max_elements)
        return pkm_fail(PKM_ERR_FORMAT, "shape has more than 2^47 elements");
    if (bits % 8 != 0)
        return pkm_fail(PKM_ERR_FORMAT, "shape of %s ends inside a byte", type->name);
    tensor->bytes = bits / 8;
    return PKM_OK;
}

static pkm_status read_offsets(pkm_st_tensor *tensor, const json_t *offsets, const span *data)
{
    int64_t begin, end;

    if (json_array_size(offsets) != 2)
        return pkm_fail(PKM_ERR_FORMAT, "data_offsets has %zu numbers: expected 2",
                        json_array_size(offsets));
    PKM_TRY(array_number(&begin, offsets, 0, "data_offsets", (int64_t)data->bytes));
    PKM_TRY(array_number(&end, offsets, 1, "data_offsets", (int64_t)data->bytes));
    if (begin > end)
        return pkm_fail(PKM_ERR_FORMAT, "data_offsets [%lld, %lld] run backwards", (long long)begin,
                        (long long)end);
    if ((uint64_t)(end - begin) != tensor->bytes)
        return pkm_fail(PKM_ERR_FORMAT, "data_offsets span %lld bytes, shape and dtype need %llu",
                        (long long)(end - begin), (unsigned long long)tensor->bytes);
    tensor->offset = (uint64_t)begin;
    tensor->data = data->data == NULL ? NULL : data->data + begin;
    return PKM_OK;
}

/* One entry of the header: exactly dtype, shape and data_offsets. */
static pkm_status read_entry(pkm_st_tensor *tensor, const json_t *entry, const span *data)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const element_type *type;
    size_t length = strlen(tensor->name);

    if (length == 0 || length > PKM_ST_NAME)
        return pkm_fail(PKM_ERR_FORMAT, "name of %zu bytes: expected 1 to %d", length, PKM_ST_NAME);
    if (!json_is_object(entry))
        return pkm_fail(PKM_ERR_FORMAT, "entry is not an object");
    if (!json_is_string(dtype))
        return pkm_fail(PKM_ERR_FORMAT, "dtype is missing or not a string");
    if (!json_is_array(shape))
        return pkm_fail(PKM_ERR_FORMAT, "shape is missing or not an array");
    if (!json_is_array(offsets))
        return pkm_fail(PKM_ERR_FORMAT, "data_offsets is missing or not an array");
    if (json_object_size(entry) != 3)
        return pkm_fail(PKM_ERR_FORMAT, "fields beside dtype, shape and data_offsets");
    type = find_type(json_string_value(dtype));
    if (type == NULL)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "dtype is \"%s\", which is unknown",
                        json_string_value(dtype));
    tensor->dtype = type->name;
    PKM_TRY(read_shape(tensor, shape, type));
    return read_offsets(tensor, offsets, data);
}

static pkm_status check_metadata(const json_t *metadata, const char *path)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return pkm_fail(PKM_ERR_FORMAT, "%s: __metadata__ is not an object", path);
    json_object_foreach((json_t *)metadata, key, value)
    {
        if (!json_is_string(value))
            return pkm_fail(PKM_ERR_FORMAT, "%s: __metadata__: %s is not a string", path, key);
    }
    return PKM_OK;
}

/* Every entry of the parsed header, in the header's order. */
static pkm_status read_entries(pkm_st_reader *reader)
{
    const char *name;
    json_t *entry;
    size_t n_entries = json_object_size(reader->header);

    if (n_entries > MAX_TENSORS)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %zu tensors: expected at most %d", reader->path,
                        n_entries, MAX_TENSORS);
    PKM_TRY(pkm_alloc_array((void **)&reader->tensors, n_entries, sizeof *reader->tensors,
                            "the list of tensors"));
    json_object_foreach(reader->header, name, entry)
    {
        pkm_st_tensor *tensor = &reader->tensors[reader->count];
        pkm_status status;

        if (strcmp(name, "__metadata__") == 0) {
            PKM_TRY(check_metadata(entry, reader->path));
            continue;
        }
        tensor->name = name;
        status = read_entry(tensor, entry, &reader->data);
        if (status != PKM_OK)
            return tensor_context(status, reader->path, name);
        reader->count++;
    }
    return PKM_OK;
}

static int by_place(const void *a, const void *b)
{
    const pkm_st_tensor *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_name(const void *a, const void *b)
{
    const pkm_st_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* The tensors, in order of their place, fill the data buffer: no hole, no overlap, no rest. */
static pkm_status check_places(pkm_st_reader *reader)
{
    uint64_t at = 0;

    qsort(reader->tensors, (size_t)reader->count, sizeof *reader->tensors, by_place);
    for (int64_t i = 0; i < reader->count; i++) {
        const pkm_st_tensor *tensor = &reader->tensors[i];

        if (tensor->offset != at)
            return pkm_fail(PKM_ERR_FORMAT,
                            "%s: tensor '%s': data_offsets begin at %llu: expected %llu, where "
                            "the tensor before ends",
                            reader->path, tensor->name, (unsigned long long)tensor->offset,
                            (unsigned long long)at);
        at += tensor->bytes;
    }
    if (at != reader->data.bytes)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %llu bytes after the last tensor", reader->path,
                        (unsigned long long)(reader->data.bytes - at));
    qsort(reader->tensors, (size_t)reader->count, sizeof *reader->tensors, by_name);
    return PKM_OK;
}

/* Bytes of the header, from the first 8 of a file of file_bytes. */
static pkm_status header_length(size_t *out, const char *first, size_t file_bytes, const char *path)
{
    uint64_t length = read_u64(first);

    if (length > MAX_HEADER || length > file_bytes - LENGTH_BYTES)
        return pkm_fail(PKM_ERR_FORMAT,
                        "%s: header length is %llu: expected at most %d and the file's %zu bytes",
                        path, (unsigned long long)length, MAX_HEADER, file_bytes - LENGTH_BYTES);
    *out = (size_t)length;
    return PKM_OK;
}

/* Reads length and header of a file alone. */
static pkm_status read_header(pkm_st_reader *reader, span *header, int fd, size_t file_bytes)
{
    char first[LENGTH_BYTES];

    PKM_TRY(pkm_file_fill(fd, first, sizeof first, reader->path));
    PKM_TRY(header_length(&header->bytes, first, file_bytes, reader->path));
    PKM_TRY(pkm_alloc((void **)&reader->copy, header->bytes, "a header"));
    PKM_TRY(pkm_file_fill(fd, reader->copy, header->bytes, reader->path));
    header->data = reader->copy;
    reader->data.bytes = file_bytes - LENGTH_BYTES - header->bytes;
    return PKM_OK;
}

/* Cuts a whole file into header and data. */
static pkm_status split_file(pkm_st_reader *reader, span *header, span file)
{
    PKM_TRY(header_length(&header->bytes, file.data, file.bytes, reader->path));
    header->data = file.data + LENGTH_BYTES;
    reader->data = (span){header->data + header->bytes, file.bytes - LENGTH_BYTES - header->bytes};
    return PKM_OK;
}

static pkm_status too_short(size_t bytes, const char *path)
{
    return pkm_fail(PKM_ERR_FORMAT, "%s: %zu bytes: too short for a safetensors file", path, bytes);
}

static pkm_status open_header(pkm_st_reader *reader, span *header)
{
    size_t bytes;
    pkm_status status;
    int fd;

    PKM_TRY(pkm_file_open(&fd, &bytes, reader->path, 0));
    status = bytes < LENGTH_BYTES ? too_short(bytes, reader->path)
                                  : read_header(reader, header, fd, bytes);
    pkm_io()->close(fd);
    return status;
}

static pkm_status open_whole(pkm_st_reader *reader, span *header, bool map)
{
    span file;

    if (map) {
        PKM_TRY(pkm_file_map_open(&reader->map, reader->path, 0));
        file = (span){(const char *)reader->map.data, reader->map.size_bytes};
    } else {
        PKM_TRY(pkm_file_read(&reader->copy, &file.bytes, reader->path, PTRDIFF_MAX));
        file.data = reader->copy;
    }
    return file.bytes < LENGTH_BYTES ? too_short(file.bytes, reader->path)
                                     : split_file(reader, header, file);
}

static pkm_status read_file(pkm_st_reader *reader, pkm_st_mode mode)
{
    span header;

    if (mode == PKM_ST_HEADER)
        PKM_TRY(open_header(reader, &header));
    else
        PKM_TRY(open_whole(reader, &header, mode == PKM_ST_MAP));
    if (header.bytes == 0 || header.data[0] != '{')
        return pkm_fail(PKM_ERR_FORMAT, "%s: header does not begin with '{'", reader->path);
    PKM_TRY(pkm_json_parse(&reader->header, header.data, header.bytes, reader->path));
    PKM_TRY(read_entries(reader));
    return check_places(reader);
}

pkm_status pkm_st_open(pkm_st_reader **out, const char *path, pkm_st_mode mode)
{
    pkm_st_reader *reader;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&reader, 1, sizeof *reader, "a safetensors reader"));
    status = pkm_string_copy(&reader->path, path);
    if (status == PKM_OK)
        status = read_file(reader, mode);
    if (status != PKM_OK) {
        pkm_st_close(reader);
        return status;
    }
    *out = reader;
    return PKM_OK;
}

void pkm_st_close(pkm_st_reader *reader)
{
    if (reader == NULL)
        return;
    json_decref(reader->header);
    pkm_free(reader->tensors);
    pkm_free(reader->copy);
    pkm_file_map_close(&reader->map);
    pkm_free(reader->path);
    pkm_free(reader);
}

const char *pkm_st_path(const pkm_st_reader *reader)
{
    return reader->path;
}

int64_t pkm_st_count(const pkm_st_reader *reader)
{
    return reader->count;
}

const pkm_st_tensor *pkm_st_at(const pkm_st_reader *reader, int64_t index)
{
    return &reader->tensors[index];
}

const pkm_st_tensor *pkm_st_find(const pkm_st_reader *reader, const char *name)
{
    pkm_st_tensor key = {.name = name};

    return reader->count == 0 ? NULL
                              : bsearch(&key, reader->tensors, (size_t)reader->count,
                                        sizeof *reader->tensors, by_name);
}

const char *pkm_st_metadata(const pkm_st_reader *reader, const char *key)
{
    return json_string_value(json_object_get(json_object_get(reader->header, "__metadata__"), key));
}

/* "[3, 4]" */
static pkm_status shape_text(pkm_strbuf *out, int n_dims, const int64_t *dims)
{
    for (int i = 0; i < n_dims; i++)
        PKM_TRY(pkm_strbuf_printf(out, "%s%lld", i == 0 ? "[" : ", ", (long long)dims[i]));
    return pkm_strbuf_printf(out, n_dims == 0 ? "[]" : "]");
}

static pkm_status wrong_shape(const pkm_st_reader *reader, const pkm_st_tensor *tensor, int n_dims,
                              const int64_t *dims)
{
    pkm_strbuf found = {0}, expected = {0};
    pkm_status status = shape_text(&found, tensor->n_dims, tensor->dims);

    if (status == PKM_OK)
        status = shape_text(&expected, n_dims, dims);
    if (status == PKM_OK)
        status = pkm_fail(PKM_ERR_SHAPE, "%s: tensor '%s' has shape %s: expected %s", reader->path,
                          tensor->name, found.data, expected.data);
    pkm_strbuf_release(&found);
    pkm_strbuf_release(&expected);
    return status;
}

pkm_status pkm_st_check(const pkm_st_reader *reader, const char *name, const pkm_st_tensor **out,
                        int n_dims, const int64_t *dims)
{
    const pkm_st_tensor *tensor = pkm_st_find(reader, name);

    if (tensor == NULL)
        return pkm_fail(PKM_ERR_FORMAT, "%s: tensor '%s' is missing", reader->path, name);
    if (tensor->n_dims != n_dims ||
        memcmp(tensor->dims, dims, (size_t)n_dims * sizeof dims[0]) != 0)
        return wrong_shape(reader, tensor, n_dims, dims);
    *out = tensor;
    return PKM_OK;
}

/* Element `index` of F32, BF16 or F16 data at any alignment. */
static float element_f32(const char *data, int64_t index, bool wide, bool half)
{
    uint16_t bits;
    float value;

    if (wide) {
        memcpy(&value, data + 4 * index, sizeof value);
        return value;
    }
    memcpy(&bits, data + 2 * index, sizeof bits);
    return half ? pkm_f16_to_f32(bits) : pkm_bf16_to_f32(bits);
}

/* In pieces, and what has been copied of a mapped file is forgotten: a table may take most of the
 * machine's memory, and its file would take as much again. */
static void copy_bytes(const pkm_st_reader *reader, char *out, const char *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += COPY_BYTES) {
        size_t piece = bytes - at < COPY_BYTES ? bytes - at : COPY_BYTES;

        memcpy(out + at, data + at, piece);
        if (reader->map.data != NULL)
            pkm_file_map_forget(&reader->map, data + at, piece);
    }
}

static pkm_status copy_floats(const pkm_st_reader *reader, const pkm_st_tensor *tensor, void *out,
                              pkm_dtype dtype)
{
    bool wide = strcmp(tensor->dtype, "F32") == 0, half = strcmp(tensor->dtype, "F16") == 0;
    bool brain = strcmp(tensor->dtype, "BF16") == 0;
    int64_t count;

    if (!wide && !half && !brain)
        return pkm_fail(PKM_ERR_UNSUPPORTED,
                        "%s: tensor '%s' has dtype %s: expected F32, BF16 or F16", reader->path,
                        tensor->name, tensor->dtype);
    if ((wide && dtype == PKM_F32) || (brain && dtype == PKM_BF16)) {
        copy_bytes(reader, out, tensor->data, tensor->bytes);
        return PKM_OK;
    }
    count = (int64_t)(tensor->bytes / (wide ? 4 : 2));
    for (int64_t i = 0; i < count; i++) {
        float value = element_f32(tensor->data, i, wide, half);

        if (dtype == PKM_F32)
            ((float *)out)[i] = value;
        else
            ((uint16_t *)out)[i] = pkm_f32_to_bf16(value);
    }
    return PKM_OK;
}

/* Whole numbers mean what their scales say: no other dtype becomes int8, nor int8 another. */
pkm_status pkm_st_copy(const pkm_st_reader *reader, const char *name, void *out, pkm_dtype dtype,
                       int n_dims, const int64_t *dims)
{
    const pkm_st_tensor *tensor;

    PKM_TRY(pkm_st_check(reader, name, &tensor, n_dims, dims));
    if (dtype != PKM_I8)
        return copy_floats(reader, tensor, out, dtype);
    if (strcmp(tensor->dtype, "I8") != 0)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: tensor '%s' has dtype %s: expected I8",
                        reader->path, name, tensor->dtype);
    copy_bytes(reader, out, tensor->data, tensor->bytes);
    return PKM_OK;
}
