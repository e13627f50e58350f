/* SPDX-License-Identifier: Apache-2.0 */
#include "crash/kill_table.h"

#include <signal.h>
#include <string.h>

#include "base/io.h"

static struct {
    kill_calls *calls;
    uint32_t at;
    bool torn;
} plan;

/* Notes the call; true if the process is to die in it. */
static bool reached(const char *name)
{
    uint32_t index = plan.calls->count++;

    if (index < KILL_MAX_CALLS)
        plan.calls->names[index] = name;
    return index + 1 == plan.at;
}

static void note(const char *name)
{
    if (reached(name))
        (void)raise(SIGKILL);
}

static int open_noted(int dir, const char *path, int flags, mode_t mode)
{
    note("open");
    return pkm_io_system()->open(dir, path, flags, mode);
}

static ssize_t read_noted(int fd, void *data, size_t bytes)
{
    note("read");
    return pkm_io_system()->read(fd, data, bytes);
}

static ssize_t write_noted(int fd, const void *data, size_t bytes, off_t offset)
{
    if (reached("write")) {
        if (plan.torn)
            (void)pkm_io_system()->write(fd, data, bytes / 2, offset);
        (void)raise(SIGKILL);
    }
    return pkm_io_system()->write(fd, data, bytes, offset);
}

static int truncate_noted(int fd, off_t bytes)
{
    note("truncate");
    return pkm_io_system()->truncate(fd, bytes);
}

static int reserve_noted(int fd, off_t bytes)
{
    note("reserve");
    return pkm_io_system()->reserve(fd, bytes);
}

static int sync_noted(int fd)
{
    note("sync");
    return pkm_io_system()->sync(fd);
}

static int close_noted(int fd)
{
    note("close");
    return pkm_io_system()->close(fd);
}

static void *map_noted(size_t bytes, int protection, int flags, int fd)
{
    note("map");
    return pkm_io_system()->map(bytes, protection, flags, fd);
}

static int rename_noted(const char *from, const char *to)
{
    note("rename");
    return pkm_io_system()->rename(from, to);
}

static int link_noted(const char *from, const char *to)
{
    note("link");
    return pkm_io_system()->link(from, to);
}

static int remove_noted(int dir, const char *path, int flags)
{
    note("remove");
    return pkm_io_system()->remove(dir, path, flags);
}

static int make_folder_noted(const char *path, mode_t mode)
{
    note("make_folder");
    return pkm_io_system()->make_folder(path, mode);
}

static int space_noted(const char *path, struct statvfs *out)
{
    note("space");
    return pkm_io_system()->space(path, out);
}

void kill_table_install(kill_calls *calls, uint32_t at, bool torn)
{
    static const pkm_io_table table = {
        .open = open_noted,
        .read = read_noted,
        .write = write_noted,
        .truncate = truncate_noted,
        .reserve = reserve_noted,
        .sync = sync_noted,
        .close = close_noted,
        .map = map_noted,
        .rename = rename_noted,
        .link = link_noted,
        .remove = remove_noted,
        .make_folder = make_folder_noted,
        .space = space_noted,
    };

    memset(calls, 0, sizeof *calls);
    plan.calls = calls;
    plan.at = at;
    plan.torn = torn;
    pkm_io_set(&table);
}
