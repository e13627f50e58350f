/* SPDX-License-Identifier: Apache-2.0 */
#include "support/faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "support/check.h"

enum { MOST_FILES = 1024 };

static fault armed;
static int64_t seen;
static bool struck, synced_again;
static bool parsing;                /* jansson is */
static bool unsyncable[MOST_FILES]; /* by descriptor, while it is open */

/* Counts a call of this kind and tells whether it has to fail. */
static bool strikes(fault_call call)
{
    bool now;

    if (armed.nth == 0 || armed.call != call)
        return false;
    seen++;
    now = armed.mode == FAULT_ONCE ? seen == armed.nth : seen >= armed.nth;
    if (armed.mode == FAULT_EVERY_OTHER)
        now &= (seen - armed.nth) % 2 == 0;
    struck |= now;
    if (now)
        errno = armed.error;
    return now;
}

static size_t half(size_t bytes)
{
    return bytes > 1 ? bytes / 2 : bytes;
}

static int fault_open(int dir, const char *path, int flags, mode_t mode)
{
    int fd = strikes(FAULT_OPEN) ? -1 : pkm_io_system()->open(dir, path, flags, mode);

    if (fd >= 0 && fd < MOST_FILES)
        unsyncable[fd] = false;
    return fd;
}

static ssize_t fault_read(int fd, void *data, size_t bytes)
{
    if (strikes(FAULT_READ)) {
        if (armed.error != 0)
            return -1;
        bytes = half(bytes);
    }
    return pkm_io_system()->read(fd, data, bytes);
}

/* A disk that becomes full takes the first part. */
static ssize_t fault_write(int fd, const void *data, size_t bytes, off_t offset)
{
    if (strikes(FAULT_WRITE)) {
        if (armed.error == ENOSPC && bytes > 1)
            (void)pkm_io_system()->write(fd, data, half(bytes), offset);
        errno = armed.error;
        if (armed.error != 0)
            return -1;
        bytes = half(bytes);
    }
    return pkm_io_system()->write(fd, data, bytes, offset);
}

static int fault_truncate(int fd, off_t bytes)
{
    return strikes(FAULT_TRUNCATE) ? -1 : pkm_io_system()->truncate(fd, bytes);
}

static int fault_sync(int fd)
{
    synced_again |= fd < MOST_FILES && unsyncable[fd];
    if (!strikes(FAULT_SYNC))
        return 0;
    if (fd < MOST_FILES)
        unsyncable[fd] = true;
    return -1;
}

static int fault_close(int fd)
{
    int result = pkm_io_system()->close(fd);

    return strikes(FAULT_CLOSE) ? -1 : result;
}

static void *fault_map(size_t bytes, int protection, int flags, int fd)
{
    return strikes(FAULT_MAP) ? MAP_FAILED : pkm_io_system()->map(bytes, protection, flags, fd);
}

static int fault_rename(const char *from, const char *to)
{
    return strikes(FAULT_RENAME) ? -1 : pkm_io_system()->rename(from, to);
}

static int fault_link(const char *from, const char *to)
{
    return strikes(FAULT_LINK) ? -1 : pkm_io_system()->link(from, to);
}

static int fault_remove(int dir, const char *path, int flags)
{
    return strikes(FAULT_REMOVE) ? -1 : pkm_io_system()->remove(dir, path, flags);
}

static int fault_make_folder(const char *path, mode_t mode)
{
    return strikes(FAULT_MAKE_FOLDER) ? -1 : pkm_io_system()->make_folder(path, mode);
}

static int fault_space(const char *path, struct statvfs *out)
{
    bool now = strikes(FAULT_SPACE);
    int result = now && armed.error != 0 ? -1 : pkm_io_system()->space(path, out);

    if (now && result == 0)
        out->f_bavail = 0;
    return result;
}

static bool fault_alloc(size_t bytes, void *user)
{
    (void)bytes;
    (void)user;
    return !parsing && strikes(FAULT_ALLOC);
}

/* In place of jansson's function of this name: while it parses, memory is promised to it
 * (format/json.c). */
json_t *json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error)
{
    json_t *(*parse)(const char *, size_t, size_t, json_error_t *);
    json_t *value;

    *(void **)&parse = dlsym(RTLD_NEXT, "json_loadb");
    if (error != NULL)
        *error = (json_error_t){0}; /* MemorySanitizer does not see jansson write */
    parsing = true;
    value = parse(text, bytes, flags, error);
    parsing = false;
    return value;
}

static void *json_block(size_t bytes)
{
    void *block;

    return pkm_alloc_array(&block, 1, bytes, "JSON") == PKM_OK ? block : NULL; /* zeros: as above */
}

void faults_install(void)
{
    static pkm_io_table table;

    table = *pkm_io_system();
    table.open = fault_open;
    table.read = fault_read;
    table.write = fault_write;
    table.truncate = fault_truncate;
    table.sync = fault_sync;
    table.close = fault_close;
    table.map = fault_map;
    table.rename = fault_rename;
    table.link = fault_link;
    table.remove = fault_remove;
    table.make_folder = fault_make_folder;
    table.space = fault_space;
    json_set_alloc_funcs(json_block, pkm_free);
    pkm_alloc_set_hook(fault_alloc, NULL);
    pkm_io_set(&table);
}

void faults_remove(void)
{
    pkm_io_set(NULL);
    pkm_alloc_set_hook(NULL, NULL);
}

void faults_arm(const fault *what)
{
    armed = *what;
    seen = 0;
    struck = synced_again = false;
}

bool faults_disarm(void)
{
    armed = (fault){0};
    if (synced_again)
        fail_msg("a file whose fsync had failed was synced again");
    return struck;
}

static int count_files(void)
{
    DIR *stream = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(stream);
    while (readdir(stream) != NULL)
        count++;
    closedir(stream);
    return count;
}

static int count_maps(const char *dir)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[4096];
    int count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, dir) != NULL;
    fclose(file);
    return count;
}

fault_holdings faults_holdings(const char *dir)
{
    return (fault_holdings){pkm_alloc_live(), count_files(), count_maps(dir)};
}
