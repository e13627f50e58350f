/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "support/check.h"

static char *dir;

static int create_dir(void **state)
{
    (void)state;
    dir = temp_create();
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    temp_remove(dir);
    return 0;
}

static char *in_dir(const char *name)
{
    char *path;

    check_ok(pkm_path_join(&path, dir, name));
    return path;
}

static void check_content(const char *path, const char *want)
{
    char *got;
    size_t bytes;

    check_ok(pkm_file_read(&got, &bytes, path, 1 << 20));
    assert_string_equal(got, want);
    assert_int_equal(bytes, strlen(want));
    pkm_free(got);
}

/* Until commit the old file stands; without commit it stays, and nothing else is left. */
static void test_writer_is_atomic(void **state)
{
    char *path = in_dir("atomic/file"), *folder = in_dir("atomic");
    pkm_writer *writer;

    (void)state;
    check_ok(pkm_directory_create(folder));
    check_ok(pkm_file_write(path, "old", 3));
    check_ok(pkm_writer_create(&writer, path));
    check_ok(pkm_writer_write(writer, "new!", 4));
    check_content(path, "old");
    pkm_writer_destroy(writer);
    check_content(path, "old");
    check_ok(pkm_directory_remove(path));
    /* An empty folder can be removed as such: no temporary file was left in it. */
    assert_int_equal(rmdir(folder), 0);
    check_ok(pkm_directory_create(folder));
    check_ok(pkm_writer_create(&writer, path));
    check_ok(pkm_writer_write(writer, "?ew", 3));
    check_ok(pkm_writer_patch(writer, 0, "n", 1));
    check_ok(pkm_writer_commit(writer));
    pkm_writer_destroy(writer);
    check_content(path, "new");
    check_ok(pkm_directory_remove(path));
    assert_int_equal(rmdir(folder), 0);
    pkm_free(path);
    pkm_free(folder);
}

/* Larger than the buffer, in pieces of odd sizes. */
static void test_large_file(void **state)
{
    enum { BYTES = 1 << 20, PIECE = 300007 };
    char *path = in_dir("large"), *data = malloc(BYTES);
    pkm_file_map map;
    pkm_writer *writer;

    (void)state;
    for (int i = 0; i < BYTES; i++)
        data[i] = (char)(i * 31 >> 3);
    check_ok(pkm_writer_create(&writer, path));
    check_ok(pkm_writer_write(writer, data, 17));
    for (int at = 17; at < BYTES; at += PIECE)
        check_ok(
            pkm_writer_write(writer, data + at, (size_t)(BYTES - at < PIECE ? BYTES - at : PIECE)));
    check_ok(pkm_writer_commit(writer));
    pkm_writer_destroy(writer);
    check_ok(pkm_file_map_open(&map, path, 0));
    assert_int_equal(map.size_bytes, BYTES);
    assert_memory_equal(map.data, data, BYTES);
    pkm_file_map_close(&map);
    free(data);
    pkm_free(path);
}

static void test_refusals(void **state)
{
    char *missing = in_dir("missing"), *fifo = in_dir("fifo"), *file = in_dir("file");
    char *inside = in_dir("nowhere/file"), *data;
    size_t bytes;
    pkm_file_map map;
    pkm_writer *writer;

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    check_ok(pkm_file_write(file, "12345", 5));
    check_fails(pkm_file_read(&data, &bytes, missing, 10), PKM_ERR_IO, missing, NULL);
    check_fails(pkm_file_read(&data, &bytes, fifo, 10), PKM_ERR_IO, fifo, "regular", NULL);
    check_fails(pkm_file_map_open(&map, dir, 0), PKM_ERR_IO, dir, NULL);
    check_fails(pkm_file_read(&data, &bytes, file, 4), PKM_ERR_FORMAT, file, "5 bytes", NULL);
    check_fails(pkm_writer_create(&writer, inside), PKM_ERR_IO, "nowhere", NULL);
    check_fails(pkm_directory_create(file), PKM_ERR_IO, file, NULL);
    pkm_free(missing);
    pkm_free(fifo);
    pkm_free(file);
    pkm_free(inside);
}

/* Removing a folder removes links in it, not what they point to. */
static void test_remove_does_not_follow(void **state)
{
    char *kept = in_dir("kept"), *tree = in_dir("tree/a/b"), *link = in_dir("tree/a/link");
    char *root = in_dir("tree");

    (void)state;
    check_ok(pkm_file_write(kept, "kept", 4));
    check_ok(pkm_directory_create(tree));
    assert_int_equal(symlink(dir, link), 0);
    check_ok(pkm_directory_remove(root));
    assert_false(pkm_directory_exists(root));
    check_content(kept, "kept");
    check_ok(pkm_directory_remove(root));
    pkm_free(kept);
    pkm_free(tree);
    pkm_free(link);
    pkm_free(root);
}

static int refuse_sync(int fd)
{
    (void)fd;
    errno = EINVAL;
    return -1;
}

/* Some file systems have no fsync of a folder; of a file all have. */
static void test_folders_that_cannot_sync(void **state)
{
    pkm_io_table table = *pkm_io_system();
    char *path = in_dir("unsynced");
    pkm_status folder, file;

    (void)state;
    table.sync = refuse_sync;
    pkm_io_set(&table);
    folder = pkm_directory_sync(dir);
    file = pkm_file_write(path, "x", 1);
    pkm_io_set(NULL);
    check_ok(folder);
    check_fails(file, PKM_ERR_IO, path, "cannot sync", NULL);
    pkm_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer_is_atomic),
        cmocka_unit_test(test_large_file),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_remove_does_not_follow),
        cmocka_unit_test(test_folders_that_cannot_sync),
    };

    return cmocka_run_group_tests(tests, create_dir, remove_dir);
}
