/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token files in llm.c's layout: 256 int32 (little-endian; magic, version, count, zeros), then the
 * ids. 16-bit ids: magic 20240520, version 1. 32-bit ids: magic 20240801, version 7. The file has
 * exactly 1024 + count * width bytes, and count < 2^31.
 */
#ifndef PKM_FORMAT_TOKEN_FILE_H
#define PKM_FORMAT_TOKEN_FILE_H

#include <stdint.h>

#include "base/file.h"
#include "base/hash.h"

#define PKM_TOKEN_FILE_MAX INT32_MAX /* tokens of one file */

/* Bytes per id that a vocabulary needs: 2 up to 65,536 ids, else 4. */
static inline int pkm_token_width(int64_t vocab_size)
{
    return vocab_size <= 65536 ? 2 : 4;
}

/* Writes by way of pkm_writer: the name appears with commit. */
typedef struct pkm_token_writer pkm_token_writer;
pkm_status pkm_token_writer_create(pkm_token_writer **out, const char *path, int width);
/* Appends ids, each of which fits the width. */
pkm_status pkm_token_writer_write(pkm_token_writer *writer, const int32_t *ids, int64_t count);
int64_t pkm_token_writer_count(const pkm_token_writer *writer);
/* *digest: of the bytes after the header. */
pkm_status pkm_token_writer_commit(pkm_token_writer *writer, pkm_digest *digest);
void pkm_token_writer_destroy(pkm_token_writer *writer);

typedef struct pkm_token_file {
    char *path;
    pkm_file_map map;
    int64_t count; /* tokens */
    int width;     /* bytes per id */
} pkm_token_file;

/* Maps a file, which may not be a symbolic link, and checks its header against its size. */
pkm_status pkm_token_file_open(pkm_token_file *out, const char *path);
/* Of the bytes after the header, all of which are read. */
pkm_digest pkm_token_file_digest(const pkm_token_file *file);
void pkm_token_file_close(pkm_token_file *file);
/* ids[0 .. count) = tokens from `first` on, a range inside the file. An id that is not below
 * vocab_size is refused. */
pkm_status pkm_token_file_read(const pkm_token_file *file, int32_t *ids, int64_t first,
                               int64_t count, int64_t vocab_size);

#endif
