/* SPDX-License-Identifier: Apache-2.0 */
#include "format/token_file.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"

enum { HEADER_WORDS = 256, HEADER_BYTES = 4 * HEADER_WORDS };

enum { CHUNK_IDS = 4096 }; /* converted at a time */

/* The header words of each width. */
typedef struct layout {
    int32_t magic, version;
    int width;
} layout;

static const layout layouts[] = {{20240520, 1, 2}, {20240801, 7, 4}};

struct pkm_token_writer {
    pkm_writer *file;
    const layout *layout;
    int64_t count;
    pkm_hash hash;
};

/* All numbers are little-endian, whatever the machine. */
static void put(unsigned char *out, int32_t value, int width)
{
    for (int byte = 0; byte < width; byte++)
        out[byte] = (unsigned char)((uint32_t)value >> (8 * byte));
}

static int32_t get(const unsigned char *data, int width)
{
    uint32_t value = 0;

    for (int byte = 0; byte < width; byte++)
        value |= (uint32_t)data[byte] << (8 * byte);
    return (int32_t)value;
}

static int32_t get_word(const unsigned char *header, int index)
{
    return get(header + 4 * index, 4);
}

pkm_status pkm_token_writer_create(pkm_token_writer **out, const char *path, int width)
{
    static const unsigned char blank[HEADER_BYTES];
    pkm_token_writer *writer;
    pkm_status status;

    PKM_TRY(pkm_alloc((void **)&writer, sizeof *writer, "a token file writer"));
    writer->file = NULL;
    writer->layout = &layouts[width == 4];
    writer->count = 0;
    pkm_hash_init(&writer->hash);
    status = pkm_writer_create(&writer->file, path);
    if (status == PKM_OK)
        status = pkm_writer_write(writer->file, blank, sizeof blank);
    if (status != PKM_OK) {
        pkm_token_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return PKM_OK;
}

void pkm_token_writer_destroy(pkm_token_writer *writer)
{
    if (writer == NULL)
        return;
    pkm_writer_destroy(writer->file);
    pkm_free(writer);
}

pkm_status pkm_token_writer_write(pkm_token_writer *writer, const int32_t *ids, int64_t count)
{
    unsigned char chunk[4 * CHUNK_IDS];
    int width = writer->layout->width;

    if (count > PKM_TOKEN_FILE_MAX - writer->count)
        return pkm_fail(PKM_ERR_ARG, "a file of more than %d numbers", PKM_TOKEN_FILE_MAX);
    for (int64_t done = 0; done < count; done += CHUNK_IDS) {
        int64_t n = count - done < CHUNK_IDS ? count - done : CHUNK_IDS;
        size_t bytes = (size_t)(n * width);

        for (int64_t i = 0; i < n; i++)
            put(chunk + i * width, ids[done + i], width);
        pkm_hash_update(&writer->hash, chunk, bytes);
        PKM_TRY(pkm_writer_write(writer->file, chunk, bytes));
    }
    writer->count += count;
    return PKM_OK;
}

int64_t pkm_token_writer_count(const pkm_token_writer *writer)
{
    return writer->count;
}

pkm_status pkm_token_writer_commit(pkm_token_writer *writer, pkm_digest *digest)
{
    unsigned char header[3 * 4];

    put(header, writer->layout->magic, 4);
    put(header + 4, writer->layout->version, 4);
    put(header + 8, (int32_t)writer->count, 4); /* <= PKM_TOKEN_FILE_MAX */
    PKM_TRY(pkm_writer_patch(writer->file, 0, header, sizeof header));
    PKM_TRY(pkm_writer_commit(writer->file));
    *digest = pkm_hash_digest(&writer->hash);
    return PKM_OK;
}

static const layout *find_layout(int32_t magic)
{
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (layouts[i].magic == magic)
            return &layouts[i];
    return NULL;
}

static pkm_status check_header(pkm_token_file *file, const char *path)
{
    const unsigned char *header = file->map.data;
    size_t size = file->map.size_bytes;
    const layout *found;
    int32_t count;

    if (size < HEADER_BYTES)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %zu bytes are too few for a header of %d", path, size,
                        HEADER_BYTES);
    found = find_layout(get_word(header, 0));
    if (found == NULL)
        return pkm_fail(PKM_ERR_FORMAT, "%s: magic is %d: expected %d or %d", path,
                        get_word(header, 0), layouts[0].magic, layouts[1].magic);
    if (get_word(header, 1) != found->version)
        return pkm_fail(PKM_ERR_FORMAT, "%s: version is %d: expected %d", path, get_word(header, 1),
                        found->version);
    count = get_word(header, 2);
    if (count < 0)
        return pkm_fail(PKM_ERR_FORMAT, "%s: count is %d: expected 0 to 2^31 - 1", path, count);
    if (size != HEADER_BYTES + (size_t)count * (size_t)found->width)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %zu bytes: expected %zu for %d ids of %d bytes", path,
                        size, HEADER_BYTES + (size_t)count * (size_t)found->width, count,
                        found->width);
    for (int word = 3; word < HEADER_WORDS; word++)
        if (get_word(header, word) != 0)
            return pkm_fail(PKM_ERR_FORMAT, "%s: header word %d is %d: expected 0", path, word,
                            get_word(header, word));
    file->count = count;
    file->width = found->width;
    return PKM_OK;
}

pkm_status pkm_token_file_open(pkm_token_file *out, const char *path)
{
    pkm_token_file file = {0};
    pkm_status status;

    PKM_TRY(pkm_string_copy(&file.path, path));
    status = pkm_file_map_open(&file.map, path, O_NOFOLLOW);
    if (status == PKM_OK)
        status = check_header(&file, path);
    if (status != PKM_OK) {
        pkm_token_file_close(&file);
        return status;
    }
    *out = file;
    return PKM_OK;
}

pkm_digest pkm_token_file_digest(const pkm_token_file *file)
{
    pkm_hash hash;

    pkm_hash_init(&hash);
    pkm_hash_update(&hash, file->map.data + HEADER_BYTES, file->map.size_bytes - HEADER_BYTES);
    return pkm_hash_digest(&hash);
}

void pkm_token_file_close(pkm_token_file *file)
{
    pkm_file_map_close(&file->map);
    pkm_free(file->path);
    *file = (pkm_token_file){0};
}

pkm_status pkm_token_file_read(const pkm_token_file *file, int32_t *ids, int64_t first,
                               int64_t count, int64_t vocab_size)
{
    const unsigned char *data = file->map.data + HEADER_BYTES + first * file->width;

    for (int64_t i = 0; i < count; i++) {
        ids[i] = get(data + i * file->width, file->width);
        if (ids[i] < 0 || ids[i] >= vocab_size)
            return pkm_fail(PKM_ERR_FORMAT, "%s: token %lld is %u: expected an id below %lld",
                            file->path, (long long)(first + i), (unsigned)ids[i],
                            (long long)vocab_size);
    }
    return PKM_OK;
}
