/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of format/safetensors.h. Tensors stand by element size, largest first, then by name,
 * so that each begins at a multiple of its element size once the header is padded to 64 bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "base/strbuf.h"
#include "format/json.h"
#include "format/safetensors.h"

enum { HEADER_ALIGN = 64, LENGTH_BYTES = 8 };

static const char *dtype_name(pkm_dtype dtype)
{
    static const char *const names[] = {[PKM_F32] = "F32",
                                        [PKM_BF16] = "BF16",
                                        [PKM_I8] = "I8",
                                        [PKM_I32] = "I32",
                                        [PKM_U8] = "U8"};

    return names[dtype];
}

static pkm_status entry_bytes(size_t *out, const pkm_st_entry *entry)
{
    size_t length = strlen(entry->name);

    if (length == 0 || length > PKM_ST_NAME || strcmp(entry->name, "__metadata__") == 0)
        return pkm_fail(PKM_ERR_ARG, "tensor '%s': expected a name of 1 to %d bytes", entry->name,
                        PKM_ST_NAME);
    if (entry->n_dims < 0 || entry->n_dims > PKM_ST_DIMS ||
        !pkm_size_shape(entry->dims, entry->n_dims, pkm_dtype_bytes(entry->dtype), out))
        return pkm_fail(PKM_ERR_ARG, "tensor '%s': shape out of range", entry->name);
    return PKM_OK;
}

static int by_size_and_name(const void *a, const void *b)
{
    const pkm_st_entry *x = *(const pkm_st_entry *const *)a;
    const pkm_st_entry *y = *(const pkm_st_entry *const *)b;
    size_t x_bytes = pkm_dtype_bytes(x->dtype), y_bytes = pkm_dtype_bytes(y->dtype);

    if (x_bytes != y_bytes)
        return x_bytes > y_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}; NULL if memory is out. */
static json_t *entry_json(const pkm_st_entry *entry, uint64_t begin, uint64_t end)
{
    json_t *object = json_object(), *shape = json_array(), *offsets = json_array();
    int failed = 0;

    for (int i = 0; i < entry->n_dims; i++)
        failed |= json_array_append_new(shape, json_integer(entry->dims[i]));
    failed |= json_array_append_new(offsets, json_integer((json_int_t)begin));
    failed |= json_array_append_new(offsets, json_integer((json_int_t)end));
    failed |= json_object_set_new(object, "dtype", json_string(dtype_name(entry->dtype)));
    failed |= json_object_set_new(object, "shape", shape);
    failed |= json_object_set_new(object, "data_offsets", offsets);
    if (failed != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *metadata_json(const char *const (*metadata)[2], int n_metadata)
{
    json_t *object = json_object();
    /* transformers refuses a file whose metadata does not name a framework. */
    int failed = json_object_set_new(object, "format", json_string("pt"));

    for (int i = 0; i < n_metadata; i++)
        failed |= json_object_set_new(object, metadata[i][0], json_string(metadata[i][1]));
    if (failed != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static pkm_status add_entries(json_t *header, const pkm_st_entry *const *order, int64_t n_entries)
{
    uint64_t at = 0;

    for (int64_t i = 0; i < n_entries; i++) {
        size_t bytes;

        PKM_TRY(entry_bytes(&bytes, order[i]));
        if (json_object_get(header, order[i]->name) != NULL)
            return pkm_fail(PKM_ERR_ARG, "tensor '%s' is given twice", order[i]->name);
        if (json_object_set_new(header, order[i]->name, entry_json(order[i], at, at + bytes)) != 0)
            return pkm_json_no_memory();
        at += bytes;
    }
    return PKM_OK;
}

/* The header's text, padded with spaces so that the data begins at a multiple of 64 bytes. */
static pkm_status header_text(pkm_strbuf *out, const pkm_st_entry *const *order, int64_t n_entries,
                              const char *const (*metadata)[2], int n_metadata)
{
    json_t *header = json_object();
    pkm_status status = PKM_OK;

    if (json_object_set_new(header, "__metadata__", metadata_json(metadata, n_metadata)) != 0)
        status = pkm_json_no_memory();
    if (status == PKM_OK)
        status = add_entries(header, order, n_entries);
    if (status == PKM_OK)
        status = pkm_json_append(out, header, JSON_COMPACT);
    json_decref(header);
    while (status == PKM_OK && (LENGTH_BYTES + out->length) % HEADER_ALIGN != 0)
        status = pkm_strbuf_append(out, " ", 1);
    return status;
}

static pkm_status write_file(const char *path, const pkm_strbuf *header,
                             const pkm_st_entry *const *order, int64_t n_entries)
{
    unsigned char length[LENGTH_BYTES];
    pkm_writer *writer;
    pkm_status status;

    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)header->length >> (8 * i));
    PKM_TRY(pkm_writer_create(&writer, path));
    status = pkm_writer_write(writer, length, sizeof length);
    if (status == PKM_OK)
        status = pkm_writer_write(writer, header->data, header->length);
    for (int64_t i = 0; i < n_entries && status == PKM_OK; i++) {
        size_t bytes = 0;

        status = entry_bytes(&bytes, order[i]);
        if (status == PKM_OK)
            status = pkm_writer_write(writer, order[i]->data, bytes);
    }
    if (status == PKM_OK)
        status = pkm_writer_commit(writer);
    pkm_writer_destroy(writer);
    return status;
}

pkm_status pkm_st_write(const char *path, const pkm_st_entry *entries, int64_t n_entries,
                        const char *const (*metadata)[2], int n_metadata)
{
    const pkm_st_entry **order;
    pkm_strbuf header = {0};
    pkm_status status;

    PKM_TRY(
        pkm_alloc_array((void **)&order, (size_t)n_entries, sizeof *order, "the order of tensors"));
    for (int64_t i = 0; i < n_entries; i++)
        order[i] = &entries[i];
    qsort(order, (size_t)n_entries, sizeof *order, by_size_and_name);
    status = header_text(&header, order, n_entries, metadata, n_metadata);
    if (status == PKM_OK)
        status = write_file(path, &header, order, n_entries);
    pkm_strbuf_release(&header);
    pkm_free(order);
    return status;
}
