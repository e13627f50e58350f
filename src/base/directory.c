/* SPDX-License-Identifier: Apache-2.0 */
/* The folder half of base/file.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"

/* Without an allocation: the name is in its place by now, and only the disk may still fail. */
pkm_status pkm_parent_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];

    if (slash == NULL || slash == path)
        return pkm_directory_sync(slash == NULL ? "." : "/");
    if (slash - path >= PATH_MAX)
        return pkm_fail(PKM_ERR_ARG, "%s: the path is too long", path);
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    return pkm_directory_sync(parent);
}

pkm_status pkm_directory_sync(const char *path)
{
    int fd = pkm_io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    bool synced;

    if (fd < 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open the folder", path);
    /* EINVAL: a file system whose folders know no such thing. */
    synced = pkm_io()->sync(fd) == 0 || errno == EINVAL;
    if (!synced)
        pkm_fail_errno(PKM_ERR_IO, "%s: cannot sync the folder", path);
    pkm_io()->close(fd);
    return synced ? PKM_OK : PKM_ERR_IO;
}

static pkm_status make_one(const char *path)
{
    if (pkm_io()->make_folder(path, 0777) == 0)
        return pkm_parent_sync(path);
    if (errno == EEXIST && pkm_directory_exists(path))
        return PKM_OK;
    return pkm_fail_errno(PKM_ERR_IO, "%s: cannot create the folder", path);
}

pkm_status pkm_directory_create(const char *path)
{
    char *partial;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_string_copy(&partial, path));
    for (char *slash = strchr(partial + (path[0] == '/'), '/'); slash != NULL && status == PKM_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!pkm_directory_exists(partial))
            status = make_one(partial);
        *slash = '/';
    }
    pkm_free(partial);
    return status == PKM_OK ? make_one(path) : status;
}

static pkm_status names_add(pkm_names *names, const char *name)
{
    if (names->count == names->capacity) {
        size_t larger = names->capacity == 0 ? 32 : pkm_size_product(2, names->capacity);

        PKM_TRY(pkm_alloc_grow((void **)&names->name, names->count, larger, sizeof *names->name,
                               "the names in a folder"));
        names->capacity = larger;
    }
    PKM_TRY(pkm_string_copy(&names->name[names->count], name));
    names->count++;
    return PKM_OK;
}

static int by_bytes(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

DIR *pkm_directory_open(int parent, const char *path, int flags)
{
    int fd = pkm_io_open(parent, path, O_RDONLY | O_DIRECTORY | flags, 0);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

    if (fd >= 0 && stream == NULL) {
        pkm_io()->close(fd);
        errno = ENOMEM; /* the one reason */
    }
    return stream;
}

pkm_status pkm_directory_list(pkm_names *out, const char *path)
{
    DIR *stream = pkm_directory_open(AT_FDCWD, path, 0);
    struct dirent *entry;
    pkm_status status = PKM_OK;

    *out = (pkm_names){0};
    if (stream == NULL)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open the folder", path);
    while (status == PKM_OK && (errno = 0, entry = readdir(stream)) != NULL)
        if (!is_dots(entry->d_name))
            status = names_add(out, entry->d_name);
    if (status == PKM_OK && errno != 0)
        status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot read the folder", path);
    closedir(stream);
    if (status != PKM_OK)
        pkm_names_release(out);
    else if (out->count > 0)
        qsort(out->name, out->count, sizeof *out->name, by_bytes);
    return status;
}

void pkm_names_release(pkm_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        pkm_free(names->name[i]);
    pkm_free(names->name);
    *names = (pkm_names){0};
}

static pkm_status remove_entry(int parent, const char *name, int depth);

/* Empties the folder `name` of the open folder `parent`; takes no memory of ours, for clean-ups. */
static pkm_status remove_inside(int parent, const char *name, int depth)
{
    enum { MAX_DEPTH = 16 };
    DIR *stream;
    pkm_status status = PKM_OK;

    if (depth >= MAX_DEPTH)
        return pkm_fail(PKM_ERR_IO, "%s: folders nested too deep to remove", name);
    stream = pkm_directory_open(parent, name, O_NOFOLLOW);
    if (stream == NULL)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open to remove", name);
    for (struct dirent *entry = readdir(stream); entry != NULL && status == PKM_OK;
         entry = readdir(stream))
        if (!is_dots(entry->d_name))
            status = remove_entry(dirfd(stream), entry->d_name, depth + 1);
    closedir(stream);
    return status;
}

/* Removes what `name` in the open folder `parent` is; links are removed, never followed. */
static pkm_status remove_entry(int parent, const char *name, int depth)
{
    if (pkm_io()->remove(parent, name, 0) == 0)
        return PKM_OK;
    if (errno != EISDIR && errno != EPERM)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot remove", name);
    if (remove_inside(parent, name, depth) != PKM_OK) {
        if (depth > 0)
            pkm_error_prefix("%s", name);
        return PKM_ERR_IO;
    }
    if (pkm_io()->remove(parent, name, AT_REMOVEDIR) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot remove the folder", name);
    return PKM_OK;
}

pkm_status pkm_directory_remove(const char *path)
{
    struct stat info;

    if (lstat(path, &info) != 0 && errno == ENOENT)
        return PKM_OK;
    return remove_entry(AT_FDCWD, path, 0);
}

/* Whether name is "STEM.tmp-123". */
static bool is_leftover(const char *name, const char *stem)
{
    const char *mark = strstr(name, ".tmp-");

    if (mark == NULL || mark[5] == '\0' || mark[5 + strspn(mark + 5, "0123456789")] != '\0')
        return false;
    return stem == NULL ||
           (strlen(stem) == (size_t)(mark - name) && strncmp(name, stem, strlen(stem)) == 0);
}

pkm_status pkm_directory_tidy(const char *path, const char *stem)
{
    DIR *stream = pkm_directory_open(AT_FDCWD, path, 0);
    pkm_status status = PKM_OK;

    if (stream == NULL)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open the folder", path);
    for (struct dirent *entry = readdir(stream); entry != NULL && status == PKM_OK;
         entry = readdir(stream))
        if (is_leftover(entry->d_name, stem))
            status = remove_entry(dirfd(stream), entry->d_name, 0);
    closedir(stream);
    if (status != PKM_OK)
        pkm_error_prefix("%s", path);
    return status;
}

pkm_status pkm_directory_claim(int *out, const char *path, const char *stem)
{
    int fd = pkm_io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    pkm_status status = PKM_OK;

    if (fd < 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open the folder", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK
                     ? pkm_fail(PKM_ERR_STATE, "%s: another process is writing there", path)
                     : pkm_fail_errno(PKM_ERR_IO, "%s: cannot lock the folder", path);
    if (status == PKM_OK)
        status = pkm_directory_tidy(path, stem);
    if (status != PKM_OK) {
        pkm_io()->close(fd);
        return status;
    }
    *out = fd;
    return PKM_OK;
}

pkm_status pkm_disk_free(uint64_t *out, const char *path)
{
    struct statvfs info;

    if (pkm_io()->space(path, &info) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot read free space", path);
    *out = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
    return PKM_OK;
}
