/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: bounded reads, read-only mappings, and writers that never leave a half-written file under
 * its final name. Every message names the path. FIFOs, devices and directories are refused where a
 * file is expected.
 */
#ifndef PKM_BASE_FILE_H
#define PKM_BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Reads a whole regular file of at most max_bytes; *out is pkm_free'd by the caller, NUL appended.
 */
pkm_status pkm_file_read(char **out, size_t *size_bytes, const char *path, size_t max_bytes);

/* Opens a regular file to stream it; *out is close()d by the caller. flags: as below. */
pkm_status pkm_file_open(int *out, size_t *size_bytes, const char *path, int flags);
/* The next `bytes` bytes of it; PKM_ERR_IO if the file ends before. */
pkm_status pkm_file_fill(int fd, void *data, size_t bytes, const char *path);

/* Writes `bytes` bytes at `offset`, in as many calls as it takes. */
pkm_status pkm_file_write_at(int fd, const void *data, size_t bytes, uint64_t offset,
                             const char *path);

typedef struct pkm_file_map {
    const unsigned char *data; /* NULL for an empty file */
    size_t size_bytes;
} pkm_file_map;

/* Maps a regular file read-only; the size is taken once, from the opened file. flags: 0, or
 * O_NOFOLLOW for a name of our own making, which is never a symbolic link. */
pkm_status pkm_file_map_open(pkm_file_map *out, const char *path, int flags);
void pkm_file_map_close(pkm_file_map *map);
/* Takes the pages that lie wholly in data[0 .. bytes) out of this process's memory; read again,
 * they come back. */
void pkm_file_map_forget(const pkm_file_map *map, const void *data, size_t bytes);

/*
 * A buffered writer to `path` by way of `path`.tmp-<pid>: commit syncs, renames and syncs the
 * directory; discard (or a failure) removes the temporary file. Destroying without commit discards.
 */
typedef struct pkm_writer pkm_writer;
pkm_status pkm_writer_create(pkm_writer **out, const char *path);
pkm_status pkm_writer_write(pkm_writer *writer, const void *data, size_t bytes);
/* Overwrites bytes already written (a header whose counts are known at the end). */
pkm_status pkm_writer_patch(pkm_writer *writer, uint64_t offset, const void *data, size_t bytes);
pkm_status pkm_writer_commit(pkm_writer *writer);
void pkm_writer_destroy(pkm_writer *writer);

/* The whole of `data` to `path` by way of a writer. */
pkm_status pkm_file_write(const char *path, const void *data, size_t bytes);

bool pkm_file_exists(const char *path);
bool pkm_directory_exists(const char *path);
/* The same for a folder in its own right: not a link to one. */
bool pkm_directory_is_own(const char *path);
/* mkdir -p; the new names last. */
pkm_status pkm_directory_create(const char *path);
/* fsync of a folder, so that the names in it last; of the folder that `path` is in. */
pkm_status pkm_directory_sync(const char *path);
pkm_status pkm_parent_sync(const char *path);
/* Removes what killed processes left in the folder: `stem`.tmp-<pid>, for a NULL stem any such
 * name. The caller knows that no process is using them. */
pkm_status pkm_directory_tidy(const char *path, const char *stem);
/* Takes the folder for this process until *out is closed, and tidies it. PKM_ERR_STATE if another
 * process has taken it. */
pkm_status pkm_directory_claim(int *out, const char *path, const char *stem);
/* opendir, by way of base/io.h: NULL and errno if it fails. flags: 0, or O_NOFOLLOW. */
DIR *pkm_directory_open(int parent, const char *path, int flags);
/* The names in a folder without "." and "..", sorted by their bytes. */
typedef struct pkm_names {
    char **name;
    size_t count, capacity;
} pkm_names;
pkm_status pkm_directory_list(pkm_names *out, const char *path);
void pkm_names_release(pkm_names *names);
/* Removes a folder of plain files and its subfolders; missing is no error. */
pkm_status pkm_directory_remove(const char *path);
/* Bytes free for this user on the file system of `path` (which must exist). */
pkm_status pkm_disk_free(uint64_t *out, const char *path);

/* *out = "a/b", owned by the caller. */
pkm_status pkm_path_join(char **out, const char *a, const char *b);
/* *out = "path.tmp-<pid>", what is renamed to path when it is whole; owned by the caller. */
pkm_status pkm_path_temporary(char **out, const char *path);

#endif
