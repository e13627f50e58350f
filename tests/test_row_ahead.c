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

enum { PAGES = 256, ROW_BYTES = 1000, LEAD = 60, ROWS = 1000 };

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

static void test_pages_come_in(void **state)
{
    static const int32_t ids[] = {3, 700, 3, 0, 250, 999, 700};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *folder = temp_create(), *path = NULL, *map;
    unsigned char wanted[PAGES] = {0};
    pkm_row_ahead ahead = {0};

    (void)state;
    check_ok(pkm_path_join(&path, folder, "rows"));
    map = map_cold_file(path, page);
    if (map != NULL) {
        check_ok(pkm_row_ahead_init(&ahead, (size_t)ROWS * ROW_BYTES));
        pkm_row_ahead_ask(&ahead, map + LEAD, ROW_BYTES, ids, sizeof ids / sizeof ids[0]);
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            size_t at = LEAD + (size_t)ids[i] * ROW_BYTES;

            wanted[at / page] = wanted[(at + ROW_BYTES - 1) / page] = 1;
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages_come_in)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
