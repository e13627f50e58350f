/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a mapped file asked for ahead: their pages come in, no others, and the room of one call
 * is left clean for the next. */
#include "memory/row_ahead.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"

enum { PAGES = 256, LEAD = 60 };

/* A file of PAGES pages that are on disk only, mapped; NULL where the file system keeps its pages
 * in memory. */
static char *map_cold_file(const char *path, size_t page)
{
    char *zeros = calloc(PAGES, page), *map;
    unsigned char resident[PAGES];
    int file;

    check_ok(pkm_file_write(path, zeros, PAGES * page));
    free(zeros);
    file = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(fsync(file), 0);
    assert_int_equal(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    map = mmap(NULL, PAGES * page, PROT_READ, MAP_SHARED, file, 0);
    assert_true(map != MAP_FAILED);
    (void)close(file);
    (void)madvise(map, PAGES * page, MADV_RANDOM);
    assert_int_equal(mincore(map, PAGES * page, resident), 0);
    if (memchr(resident, 1, PAGES) == NULL)
        return map;
    (void)munmap(map, PAGES * page);
    return NULL;
}

/* Which pages are in memory is what `wanted` says, within five seconds. */
static void check_resident(char *map, size_t page, const unsigned char *wanted)
{
    static const struct timespec pause = {.tv_nsec = 10000000};
    unsigned char resident[PAGES];

    for (int i = 0; i < 500; i++) {
        assert_int_equal(mincore(map, PAGES * page, resident), 0);
        for (int p = 0; p < PAGES; p++)
            resident[p] &= 1;
        if (memcmp(resident, wanted, PAGES) == 0)
            return;
        (void)nanosleep(&pause, NULL);
    }
    assert_memory_equal(resident, wanted, PAGES);
}

static void check_pages_come_in(size_t row_bytes, const int32_t *ids, int64_t n_ids)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *folder = temp_create(), *path = NULL, *map;
    unsigned char wanted[PAGES] = {0};
    pkm_row_ahead ahead = {0};

    check_ok(pkm_path_join(&path, folder, "rows"));
    map = map_cold_file(path, page);
    if (map != NULL) {
        check_ok(pkm_row_ahead_init(&ahead, (PAGES - 1) * page));
        pkm_row_ahead_ask(&ahead, map + LEAD, row_bytes, ids, n_ids);
        for (int64_t i = 0; i < n_ids; i++) {
            size_t at = LEAD + (size_t)ids[i] * row_bytes;

            memset(wanted + at / page, 1, (at + row_bytes - 1) / page - at / page + 1);
        }
        check_resident(map, page, wanted);
        for (int i = 0; i < PAGES / 64; i++)
            assert_true(ahead.asked[i] == 0);
        pkm_row_ahead_release(&ahead);
        (void)munmap(map, PAGES * page);
    }
    pkm_free(path);
    temp_remove(folder);
    if (map == NULL)
        skip();
}

static void test_pages_come_in(void **state)
{
    static const int32_t ids[] = {3, 700, 3, 0, 250, 999, 700};

    (void)state;
    check_pages_come_in(1000, ids, sizeof ids / sizeof ids[0]);
}

/* The row between two others shares its first page with the one and its last with the other. */
static void test_middle_pages(void **state)
{
    static const int32_t ids[] = {0, 2, 1};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    check_pages_come_in(page * 11 / 4, ids, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages_come_in),
                                       cmocka_unit_test(test_middle_pages)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
