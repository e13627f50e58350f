/* SPDX-License-Identifier: Apache-2.0 */
/* The files under a path, in an order that does not depend on the file system. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "text/corpus.h"

/* A walk breadth first: folders wait in a queue, so that depth costs no stack. */
typedef struct walk {
    pkm_file_list *list;
    pkm_strbuf folders; /* paths, each with its NUL */
    size_t next;        /* start of the first one not yet read */
} walk;

static pkm_status add_file(pkm_file_list *list, const char *path, uint64_t bytes)
{
    size_t name = list->names.length;

    if (list->count == list->capacity) {
        int64_t larger = list->capacity == 0 ? 64 : 2 * list->capacity;

        PKM_TRY(pkm_alloc_grow((void **)&list->files, (size_t)list->count, (size_t)larger,
                               sizeof *list->files, "a list of files"));
        list->capacity = larger;
    }
    PKM_TRY(pkm_strbuf_append(&list->names, path, strlen(path) + 1));
    list->files[list->count++] = (pkm_found_file){name, bytes};
    return PKM_OK;
}

static pkm_status visit(walk *w, int folder, const char *name)
{
    struct stat info;
    char *path;
    pkm_status status = PKM_OK;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
        return PKM_OK;
    PKM_TRY(pkm_path_join(&path, w->folders.data + w->next, name));
    if (S_ISDIR(info.st_mode))
        status = pkm_strbuf_append(&w->folders, path, strlen(path) + 1);
    else if (faccessat(folder, name, R_OK, 0) == 0)
        status = add_file(w->list, path, (uint64_t)info.st_size);
    else
        w->list->unreadable++;
    pkm_free(path);
    return status;
}

static pkm_status read_folder(walk *w)
{
    DIR *stream = pkm_directory_open(AT_FDCWD, w->folders.data + w->next, 0);
    pkm_status status = PKM_OK;

    /* Below the path that was named, only what nobody may read is left out. */
    if (stream == NULL && (w->next == 0 || errno != EACCES))
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open the folder", w->folders.data + w->next);
    if (stream == NULL) {
        w->list->unreadable++;
        return PKM_OK;
    }
    for (struct dirent *entry = readdir(stream); entry != NULL && status == PKM_OK;
         entry = readdir(stream))
        status = visit(w, dirfd(stream), entry->d_name);
    closedir(stream);
    return status;
}

static int by_path(const void *left, const void *right, void *names)
{
    const pkm_found_file *a = left, *b = right;

    return strcmp((const char *)names + a->name, (const char *)names + b->name);
}

static pkm_status add_folder(pkm_file_list *list, const char *path)
{
    walk w = {.list = list};
    int64_t first = list->count;
    pkm_status status = pkm_strbuf_append(&w.folders, path, strlen(path) + 1);

    while (status == PKM_OK && w.next < w.folders.length) {
        status = read_folder(&w);
        w.next += strlen(w.folders.data + w.next) + 1;
    }
    pkm_strbuf_release(&w.folders);
    if (list->count > first)
        qsort_r(list->files + first, (size_t)(list->count - first), sizeof *list->files, by_path,
                list->names.data);
    return status;
}

pkm_status pkm_file_list_add(pkm_file_list *list, const char *path)
{
    size_t bytes;
    int fd;

    if (pkm_directory_exists(path))
        return add_folder(list, path);
    PKM_TRY(pkm_file_open(&fd, &bytes, path, 0));
    pkm_io()->close(fd);
    return add_file(list, path, bytes);
}

void pkm_file_list_release(pkm_file_list *list)
{
    pkm_strbuf_release(&list->names);
    pkm_free(list->files);
    *list = (pkm_file_list){0};
}
