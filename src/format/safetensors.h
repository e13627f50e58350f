/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors: u64 little-endian header length, JSON header, data. The reader treats the file as
 * hostile (limits and rules: docs/formats.md); a message names file, tensor and field.
 */
#ifndef PKM_FORMAT_SAFETENSORS_H
#define PKM_FORMAT_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "pkm/dtype.h"

enum { PKM_ST_DIMS = 8, PKM_ST_NAME = 512 };

typedef struct pkm_st_tensor {
    const char *name;  /* owned by the reader */
    const char *dtype; /* "F32", "BF16", ... as in the file */
    int n_dims;
    int64_t dims[PKM_ST_DIMS];
    const void *data; /* at any alignment; NULL if only the header was read */
    uint64_t offset;  /* in the data buffer */
    uint64_t bytes;
} pkm_st_tensor;

/* How a file is held: mapped, read into memory, or its header alone read. */
typedef enum pkm_st_mode { PKM_ST_MAP, PKM_ST_READ, PKM_ST_HEADER } pkm_st_mode;

typedef struct pkm_st_reader pkm_st_reader;
/* Opens the file and checks the whole header against the file's size. */
pkm_status pkm_st_open(pkm_st_reader **out, const char *path, pkm_st_mode mode);
void pkm_st_close(pkm_st_reader *reader);
const char *pkm_st_path(const pkm_st_reader *reader);
int64_t pkm_st_count(const pkm_st_reader *reader);
const pkm_st_tensor *pkm_st_at(const pkm_st_reader *reader, int64_t index); /* sorted by name */
const pkm_st_tensor *pkm_st_find(const pkm_st_reader *reader, const char *name);
/* A value of __metadata__, or NULL. */
const char *pkm_st_metadata(const pkm_st_reader *reader, const char *key);
/* *out = the tensor, which must be there with these dims; its dtype is the caller's to judge. */
pkm_status pkm_st_check(const pkm_st_reader *reader, const char *name, const pkm_st_tensor **out,
                        int n_dims, const int64_t *dims);
/* Copies a tensor out as f32 or bf16 (F32, BF16, F16 accepted), or as int8 (I8 alone), checking its
 * dims. */
pkm_status pkm_st_copy(const pkm_st_reader *reader, const char *name, void *out, pkm_dtype dtype,
                       int n_dims, const int64_t *dims);

/* To write: tensors of 1 to PKM_ST_NAME bytes of name in any order; the writer orders them, pads
 * the header to 64 bytes, writes by way of pkm_writer (synced, renamed). metadata: pairs key,
 * value; {"format": "pt"} is added. */
typedef struct pkm_st_entry {
    const char *name;
    pkm_dtype dtype;
    int n_dims;
    int64_t dims[PKM_ST_DIMS];
    const void *data;
} pkm_st_entry;
pkm_status pkm_st_write(const char *path, const pkm_st_entry *entries, int64_t n_entries,
                        const char *const (*metadata)[2], int n_metadata);

#endif
