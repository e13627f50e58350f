/* SPDX-License-Identifier: Apache-2.0 */
#include "support/disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "support/check.h"

enum { MOST_FILES = 1024, MOST_NODES = 4096, MOST_CHANGES = 16384, SECTOR = 512 };

typedef enum change_kind { NAME, UNNAME, RENAME, WRITE, TRUNCATE, SYNC, MARK } change_kind;

/* One thing done: to the names in a folder, or to the bytes of a file. */
typedef struct change {
    change_kind kind;
    int node;     /* the folder or file */
    int target;   /* NAME: what is named so */
    char *name;   /* NAME, UNNAME; RENAME: from */
    char *to;     /* RENAME */
    int64_t at;   /* WRITE: offset; TRUNCATE: length; MARK: number */
    size_t bytes; /* WRITE */
    char *data;
    int synced; /* index of the first sync after it */
} change;

typedef struct entry {
    char *name;
    int node;
} entry;

/* A folder or file: as it is while recording, or in the state being built. */
typedef struct node {
    bool folder;
    entry *entries;
    int n_entries;
    char *data;
    size_t bytes;
} node;

static char root_path[2048];
static change *changes;
static int n_changes;
static node *nodes; /* node 0 is the root */
static int n_nodes;
static int node_of_fd[MOST_FILES];

/* ---- names ---- */

static int find(const node *folder, const char *name)
{
    for (int i = 0; i < folder->n_entries; i++)
        if (strcmp(folder->entries[i].name, name) == 0)
            return i;
    return -1;
}

static void set_name(node *folder, const char *name, int target)
{
    int at = find(folder, name);

    if (at < 0) {
        at = folder->n_entries++;
        folder->entries = realloc(folder->entries, (size_t)folder->n_entries * sizeof(entry));
        folder->entries[at].name = strdup(name);
    }
    folder->entries[at].node = target;
}

/* Returns what the name stood for, or -1. */
static int drop_name(node *folder, const char *name)
{
    int at = find(folder, name), target;

    if (at < 0)
        return -1;
    target = folder->entries[at].node;
    free(folder->entries[at].name);
    folder->entries[at] = folder->entries[--folder->n_entries];
    return target;
}

/* The folder that `path` is in, *name = its last part; -1 if that is not under the root. */
static int locate(int dir, const char *path, const char **name)
{
    int folder = dir == AT_FDCWD ? 0 : node_of_fd[dir];
    size_t root_bytes = strlen(root_path);
    char part[256];

    if (dir == AT_FDCWD) {
        if (strncmp(path, root_path, root_bytes) != 0 || path[root_bytes] != '/')
            return -1;
        path += root_bytes + 1;
    }
    for (const char *slash = strchr(path, '/'); folder >= 0 && slash != NULL;
         path = slash + 1, slash = strchr(path, '/')) {
        int at;

        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        at = find(&nodes[folder], part);
        folder = at >= 0 ? nodes[folder].entries[at].node : -1;
    }
    *name = path;
    return folder;
}

/* The node of a path, or -1. */
static int lookup(int dir, const char *path)
{
    const char *name = "";
    int folder, at;

    if (dir == AT_FDCWD && strcmp(path, root_path) == 0)
        return 0;
    folder = locate(dir, path, &name);
    at = folder >= 0 ? find(&nodes[folder], name) : -1;
    return at >= 0 ? nodes[folder].entries[at].node : -1;
}

static int new_node(bool folder)
{
    assert_true(n_nodes < MOST_NODES);
    nodes[n_nodes] = (node){.folder = folder};
    return n_nodes++;
}

/* ---- changes ---- */

static change *add(change_kind kind, int of)
{
    assert_true(n_changes < MOST_CHANGES);
    changes[n_changes] = (change){.kind = kind, .node = of, .synced = MOST_CHANGES};
    return &changes[n_changes++];
}

static void write_bytes(node *file, int64_t at, const char *data, size_t bytes)
{
    size_t end = (size_t)at + bytes;

    if (end > file->bytes) {
        file->data = realloc(file->data, end);
        memset(file->data + file->bytes, 0, end - file->bytes);
        file->bytes = end;
    }
    memcpy(file->data + at, data, bytes);
}

static void cut(node *file, size_t bytes)
{
    file->data = realloc(file->data, bytes > 0 ? bytes : 1);
    if (bytes > file->bytes)
        memset(file->data + file->bytes, 0, bytes - file->bytes);
    file->bytes = bytes;
}

/* Some of the bytes: the first half, or all but every other sector. */
static void write_part(node *file, const change *what, disk_fate fate)
{
    size_t half = what->bytes / 2 >= SECTOR ? what->bytes / 2 / SECTOR * SECTOR : what->bytes / 2;

    if (fate == DISK_TORN) {
        write_bytes(file, what->at, what->data, half);
        return;
    }
    if (file->bytes < (size_t)what->at + what->bytes)
        cut(file, (size_t)what->at + what->bytes);
    for (size_t start = 0; start < what->bytes; start += (size_t)2 * SECTOR) {
        size_t left = what->bytes - start;

        write_bytes(file, what->at + (int64_t)start, what->data + start,
                    left < SECTOR ? left : SECTOR);
    }
}

static void apply(node *image, const change *what, disk_fate fate)
{
    node *of = what->node >= 0 ? &image[what->node] : NULL;

    if (fate == DISK_LOST || what->kind == SYNC || what->kind == MARK)
        return;
    switch (what->kind) {
    case NAME:
        set_name(of, what->name, what->target);
        break;
    case UNNAME:
        (void)drop_name(of, what->name);
        break;
    case RENAME:
        /* The old name may be of a change that was lost: the new one is set all the same. */
        (void)drop_name(of, what->name);
        set_name(of, what->to, what->target);
        break;
    case WRITE:
        if (fate == DISK_KEPT)
            write_bytes(of, what->at, what->data, what->bytes);
        else
            write_part(of, what, fate);
        break;
    case TRUNCATE:
        cut(of, (size_t)what->at);
        break;
    default:
        break;
    }
}

static void note(change *what)
{
    apply(nodes, what, DISK_KEPT);
}

/* ---- the recording table ---- */

static void name_new(int dir, const char *path, int target)
{
    const char *name;
    int folder = locate(dir, path, &name);
    change *what;

    if (folder < 0)
        return;
    what = add(NAME, folder);
    what->name = strdup(name);
    what->target = target;
    note(what);
}

static int record_open(int dir, const char *path, int flags, mode_t mode)
{
    const char *name;
    bool made = (flags & O_CREAT) != 0 && locate(dir, path, &name) >= 0 && lookup(dir, path) < 0;
    int fd = pkm_io_system()->open(dir, path, flags, mode);

    if (fd < 0)
        return fd;
    assert_true(fd < MOST_FILES);
    if (made)
        name_new(dir, path, new_node(false));
    node_of_fd[fd] = lookup(dir, path);
    return fd;
}

static ssize_t record_write(int fd, const void *data, size_t bytes, off_t offset)
{
    ssize_t put = pkm_io_system()->write(fd, data, bytes, offset);
    change *what;

    if (put <= 0 || node_of_fd[fd] < 0)
        return put;
    what = add(WRITE, node_of_fd[fd]);
    what->at = offset;
    what->bytes = (size_t)put;
    what->data = malloc((size_t)put);
    memcpy(what->data, data, (size_t)put);
    note(what);
    return put;
}

static int record_truncate(int fd, off_t bytes)
{
    int result = pkm_io_system()->truncate(fd, bytes);
    change *what;

    if (result == 0 && node_of_fd[fd] >= 0) {
        what = add(TRUNCATE, node_of_fd[fd]);
        what->at = bytes;
        note(what);
    }
    return result;
}

/* Nothing has to reach this disk: the one that is built later does not lose power. */
static int record_sync(int fd)
{
    if (node_of_fd[fd] < 0)
        return 0;
    for (int i = 0; i < n_changes; i++)
        if (changes[i].node == node_of_fd[fd] && changes[i].synced > n_changes)
            changes[i].synced = n_changes;
    (void)add(SYNC, node_of_fd[fd]);
    return 0;
}

static int record_rename(const char *from, const char *to)
{
    const char *old, *name;
    int folder = locate(AT_FDCWD, from, &old), target = lookup(AT_FDCWD, from);
    int result = pkm_io_system()->rename(from, to);
    change *what;

    /* Renaming a name to another of the same file does nothing. */
    if (result != 0 || folder < 0 || target == lookup(AT_FDCWD, to))
        return result;
    assert_int_equal(locate(AT_FDCWD, to, &name), folder);
    what = add(RENAME, folder);
    what->name = strdup(old);
    what->to = strdup(name);
    what->target = target;
    note(what);
    return result;
}

static int record_link(const char *from, const char *to)
{
    int result = pkm_io_system()->link(from, to);

    if (result == 0)
        name_new(AT_FDCWD, to, lookup(AT_FDCWD, from));
    return result;
}

static int record_remove(int dir, const char *path, int flags)
{
    const char *name;
    int folder = locate(dir, path, &name);
    int result = pkm_io_system()->remove(dir, path, flags);
    change *what;

    if (result == 0 && folder >= 0) {
        what = add(UNNAME, folder);
        what->name = strdup(name);
        note(what);
    }
    return result;
}

static int record_make_folder(const char *path, mode_t mode)
{
    int result = pkm_io_system()->make_folder(path, mode);

    if (result == 0)
        name_new(AT_FDCWD, path, new_node(true));
    return result;
}

void disk_record(const char *root)
{
    static pkm_io_table table;

    changes = calloc(MOST_CHANGES, sizeof *changes);
    nodes = calloc(MOST_NODES, sizeof *nodes);
    n_changes = n_nodes = 0;
    snprintf(root_path, sizeof root_path, "%s", root);
    (void)new_node(true);
    for (int i = 0; i < MOST_FILES; i++)
        node_of_fd[i] = -1;
    table = *pkm_io_system();
    table.open = record_open;
    table.write = record_write;
    table.truncate = record_truncate;
    table.sync = record_sync;
    table.rename = record_rename;
    table.link = record_link;
    table.remove = record_remove;
    table.make_folder = record_make_folder;
    pkm_io_set(&table);
}

void disk_mark(int64_t number)
{
    add(MARK, -1)->at = number;
}

void disk_stop(void)
{
    pkm_io_set(NULL);
}

static void release(node *of, int count)
{
    for (int i = 0; i < count; i++) {
        for (int n = 0; n < of[i].n_entries; n++)
            free(of[i].entries[n].name);
        free(of[i].entries);
        free(of[i].data);
    }
    free(of);
}

void disk_forget(void)
{
    for (int i = 0; i < n_changes; i++) {
        free(changes[i].name);
        free(changes[i].to);
        free(changes[i].data);
    }
    free(changes);
    release(nodes, n_nodes);
}

/* ---- states ---- */

int disk_count(void)
{
    return n_changes;
}

int64_t disk_last_mark(int count)
{
    for (int i = count - 1; i >= 0; i--)
        if (changes[i].kind == MARK)
            return changes[i].at;
    return 0;
}

static bool is_pending(int i, int count)
{
    return changes[i].kind != SYNC && changes[i].kind != MARK && changes[i].synced >= count;
}

int disk_pending(int *out, int count)
{
    int n = 0;

    for (int i = 0; i < count; i++)
        if (is_pending(i, count))
            out[n++] = i;
    return n;
}

bool disk_is_write(int i)
{
    return changes[i].kind == WRITE;
}

static void put(const node *image, int which, const char *path)
{
    const node *of = &image[which];
    char inner[4096];
    int fd;

    if (of->folder) {
        assert_int_equal(mkdir(path, 0777), 0);
        for (int i = 0; i < of->n_entries; i++) {
            snprintf(inner, sizeof inner, "%s/%s", path, of->entries[i].name);
            put(image, of->entries[i].node, inner);
        }
        return;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, of->data, of->bytes), of->bytes);
    close(fd);
}

void disk_build(const char *to, int count, const unsigned char *fates)
{
    node *image = calloc((size_t)n_nodes, sizeof *image);

    for (int i = 0; i < n_nodes; i++)
        image[i].folder = nodes[i].folder;
    for (int i = 0; i < count; i++)
        apply(image, &changes[i], is_pending(i, count) ? (disk_fate)fates[i] : DISK_KEPT);
    put(image, 0, to);
    release(image, n_nodes);
}
