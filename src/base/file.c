/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/mapping.h"
#include "base/size.h"
#include "base/system.h"

/* What is no regular file, for messages. */
static const char *kind_name(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a pipe";
    return S_ISSOCK(mode) ? "a socket" : "a device";
}

pkm_status pkm_file_open(int *out, size_t *size_bytes, const char *path, int flags)
{
    /* O_NONBLOCK: opening a FIFO must not wait for a writer before it can be refused. */
    int fd = pkm_io_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | flags, 0);
    struct stat info;

    if (fd < 0 && errno == ELOOP && (flags & O_NOFOLLOW) != 0)
        return pkm_fail(PKM_ERR_IO, "%s: is a symbolic link: expected a regular file", path);
    if (fd < 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open", path);
    if (fstat(fd, &info) != 0) {
        pkm_fail_errno(PKM_ERR_IO, "%s: cannot stat", path);
        pkm_io()->close(fd);
        return PKM_ERR_IO;
    }
    if (!S_ISREG(info.st_mode)) {
        pkm_io()->close(fd);
        return pkm_fail(PKM_ERR_IO, "%s: is %s: expected a regular file", path,
                        kind_name(info.st_mode));
    }
    *out = fd;
    *size_bytes = (size_t)info.st_size;
    return PKM_OK;
}

pkm_status pkm_file_fill(int fd, void *data, size_t bytes, const char *path)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t got = pkm_io()->read(fd, (char *)data + done, bytes - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pkm_fail_errno(PKM_ERR_IO, "%s: cannot read", path);
        if (got == 0)
            return pkm_fail(PKM_ERR_IO, "%s: ended after %zu of %zu bytes", path, done, bytes);
        done += (size_t)got;
    }
    return PKM_OK;
}

pkm_status pkm_file_write_at(int fd, const void *data, size_t bytes, uint64_t offset,
                             const char *path)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t put =
            pkm_io()->write(fd, (const char *)data + done, bytes - done, (off_t)(offset + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = EIO; /* a device that takes nothing would be asked for ever */
        if (put <= 0)
            return pkm_fail_errno(PKM_ERR_IO, "%s: cannot write", path);
        done += (size_t)put;
    }
    return PKM_OK;
}

/* Below this nobody needs to ask what the system has. */
enum { LARGE_BYTES = 64 << 20 };

pkm_status pkm_file_read(char **out, size_t *size_bytes, const char *path, size_t max_bytes)
{
    int fd;
    size_t size;
    char *data = NULL;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_file_open(&fd, &size, path, 0));
    if (size > max_bytes)
        status =
            pkm_fail(PKM_ERR_FORMAT, "%s: %zu bytes, expected at most %zu", path, size, max_bytes);
    if (status == PKM_OK && size > LARGE_BYTES)
        status = pkm_memory_check(size, path, "free some, or map the file where that is offered");
    if (status == PKM_OK)
        status = pkm_alloc((void **)&data, pkm_size_sum(size, 1), path);
    if (status == PKM_OK)
        status = pkm_file_fill(fd, data, size, path);
    pkm_io()->close(fd);
    if (status != PKM_OK) {
        pkm_free(data);
        return status;
    }
    data[size] = '\0';
    *out = data;
    *size_bytes = size;
    return PKM_OK;
}

pkm_status pkm_file_map_open(pkm_file_map *out, const char *path, int flags)
{
    int fd;
    size_t size;
    void *data = NULL;

    PKM_TRY(pkm_file_open(&fd, &size, path, flags));
    if (size > 0) {
        data = pkm_io()->map(size, PROT_READ, MAP_SHARED, fd);
        if (data == MAP_FAILED) {
            pkm_fail_errno(PKM_ERR_IO, "%s: cannot map %zu bytes", path, size);
            pkm_io()->close(fd);
            return PKM_ERR_IO;
        }
        pkm_mapping_add(data, size, path);
    }
    pkm_io()->close(fd);
    out->data = data;
    out->size_bytes = size;
    return PKM_OK;
}

void pkm_file_map_close(pkm_file_map *map)
{
    if (map->data != NULL) {
        pkm_mapping_remove(map->data);
        munmap((void *)map->data, map->size_bytes);
    }
    *map = (pkm_file_map){0};
}

void pkm_file_map_forget(const pkm_file_map *map, const void *data, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE),
           start = (size_t)((const char *)data - (const char *)map->data);
    size_t first = pkm_round_up(start, page), end = (start + bytes) / page * page;

    if (map->data != NULL && first < end)
        (void)madvise((void *)(map->data + first), end - first, MADV_DONTNEED);
}

bool pkm_file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool pkm_directory_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool pkm_directory_is_own(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

pkm_status pkm_path_join(char **out, const char *a, const char *b)
{
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    bool slash = a_bytes > 0 && a[a_bytes - 1] != '/';
    char *path;

    PKM_TRY(pkm_alloc((void **)&path, pkm_size_sum(pkm_size_sum(a_bytes, b_bytes), 2), "a path"));
    memcpy(path, a, a_bytes);
    if (slash)
        path[a_bytes++] = '/';
    memcpy(path + a_bytes, b, b_bytes + 1);
    *out = path;
    return PKM_OK;
}
