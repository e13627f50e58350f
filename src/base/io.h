/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to the file system: every call of src/ that opens, reads, writes, maps, names or
 * syncs a file goes through a table of functions, whose first content is the system's. Tests put
 * their own table there to make the n-th call fail, to record what would reach the disk, or to end
 * the process between two calls. Each function is the call of POSIX it is named for, errno
 * included.
 */
#ifndef PKM_BASE_IO_H
#define PKM_BASE_IO_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/statvfs.h>
#include <sys/types.h>

typedef struct pkm_io_table {
    int (*open)(int dir, const char *path, int flags, mode_t mode); /* openat */
    ssize_t (*read)(int fd, void *data, size_t bytes);
    ssize_t (*write)(int fd, const void *data, size_t bytes, off_t offset); /* pwrite */
    int (*truncate)(int fd, off_t bytes);                                   /* ftruncate */
    int (*reserve)(int fd, off_t bytes); /* posix_fallocate from 0: returns the error, no errno */
    int (*sync)(int fd);                 /* fsync */
    int (*close)(int fd);
    void *(*map)(size_t bytes, int protection, int flags, int fd); /* mmap from offset 0 */
    int (*rename)(const char *from, const char *to);
    int (*link)(const char *from, const char *to);
    int (*remove)(int dir, const char *path, int flags); /* unlinkat */
    int (*make_folder)(const char *path, mode_t mode);   /* mkdir */
    int (*space)(const char *path, struct statvfs *out); /* statvfs */
} pkm_io_table;

/* The table in use: pkm_io()->close(fd). */
const pkm_io_table *pkm_io(void);

/* Opens, however many signals come meanwhile; files are not inherited by other programs. */
static inline int pkm_io_open(int dir, const char *path, int flags, mode_t mode)
{
    int fd;

    do
        fd = pkm_io()->open(dir, path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* The system's calls, for a table that passes on what it does not change. */
const pkm_io_table *pkm_io_system(void);

/* Tests only, while no other thread uses files; NULL puts the system's table back. */
void pkm_io_set(const pkm_io_table *table);

#endif
