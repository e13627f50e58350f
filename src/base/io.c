/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    return openat(dir, path, flags, mode); /* the system's is variadic */
}

static int reserve_all(int fd, off_t bytes)
{
    return posix_fallocate(fd, 0, bytes);
}

static void *map_all(size_t bytes, int protection, int flags, int fd)
{
    return mmap(NULL, bytes, protection, flags, fd, 0);
}

static const pkm_io_table system_table = {
    .open = open_at,
    .read = read,
    .write = pwrite,
    .truncate = ftruncate,
    .reserve = reserve_all,
    .sync = fsync,
    .close = close,
    .map = map_all,
    .rename = rename,
    .link = link,
    .remove = unlinkat,
    .make_folder = mkdir,
    .space = statvfs,
};

static const pkm_io_table *table_in_use = &system_table;

const pkm_io_table *pkm_io(void)
{
    return table_in_use;
}

const pkm_io_table *pkm_io_system(void)
{
    return &system_table;
}

void pkm_io_set(const pkm_io_table *table)
{
    table_in_use = table != NULL ? table : &system_table;
}
