/* SPDX-License-Identifier: Apache-2.0 */
#include "format/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"

/* A folder with two files (one larger than a block) and their manifest. */
typedef struct checked_folder {
    char *dir, *small, *large, *manifest;
} checked_folder;

enum { LARGE_BYTES = (16 << 20) + 1000 };

static void setup(checked_folder *out)
{
    static const char *const names[] = {"small", "large"};
    char *data = calloc(1, LARGE_BYTES);

    out->dir = temp_create();
    check_ok(pkm_path_join(&out->small, out->dir, "small"));
    check_ok(pkm_path_join(&out->large, out->dir, "large"));
    check_ok(pkm_path_join(&out->manifest, out->dir, "MANIFEST.json"));
    check_ok(pkm_file_write(out->small, "abc", 3));
    check_ok(pkm_file_write(out->large, data, LARGE_BYTES));
    check_ok(pkm_manifest_write(out->dir, names, 2));
    free(data);
}

static void teardown(checked_folder *fixture)
{
    pkm_free(fixture->small);
    pkm_free(fixture->large);
    pkm_free(fixture->manifest);
    temp_remove(fixture->dir);
}

static void test_holds(void **state)
{
    checked_folder fixture;

    (void)state;
    setup(&fixture);
    check_ok(pkm_manifest_check(fixture.dir, NULL, 0, PKM_VERIFY_FULL));
    teardown(&fixture);
}

static void flip_byte(const char *path, long offset)
{
    FILE *file = fopen(path, "r+b");
    int byte;

    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    byte = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void test_damage_is_found(void **state)
{
    checked_folder fixture;

    (void)state;
    setup(&fixture);
    flip_byte(fixture.large, (16 << 20) + 5);
    check_fails(pkm_manifest_check(fixture.dir, NULL, 0, PKM_VERIFY_FULL), PKM_ERR_FORMAT, "large",
                "16777216", NULL);
    flip_byte(fixture.large, (16 << 20) + 5);
    check_ok(pkm_manifest_check(fixture.dir, NULL, 0, PKM_VERIFY_FULL));
    check_ok(pkm_file_write(fixture.small, "abcd", 4));
    check_fails(pkm_manifest_check(fixture.dir, NULL, 0, PKM_VERIFY_FULL), PKM_ERR_FORMAT, "small",
                "4 bytes", NULL);
    check_ok(pkm_directory_remove(fixture.small));
    check_fails(pkm_manifest_check(fixture.dir, NULL, 0, PKM_VERIFY_FULL), PKM_ERR_IO, "small",
                NULL);
    teardown(&fixture);
}

/* Of more than two blocks, the middle ones are only read by the full check. */
static void test_levels(void **state)
{
    enum { BLOCK = 16 << 20, BYTES = 3 * BLOCK + 10 };
    static const char *const names[] = {"large"}, *const both[] = {"large", "small"};
    char *data = calloc(1, BYTES);
    checked_folder fixture;

    (void)state;
    setup(&fixture);
    check_ok(pkm_file_write(fixture.large, data, BYTES));
    check_ok(pkm_manifest_write(fixture.dir, names, 1));
    free(data);
    check_fails(pkm_manifest_check(fixture.dir, both, 2, PKM_VERIFY_NONE), PKM_ERR_FORMAT, "small",
                "list", NULL);
    flip_byte(fixture.large, BLOCK + 5);
    check_fails(pkm_manifest_check(fixture.dir, names, 1, PKM_VERIFY_FULL), PKM_ERR_FORMAT, "large",
                "16777216", NULL);
    check_ok(pkm_manifest_check(fixture.dir, names, 1, PKM_VERIFY_QUICK));
    flip_byte(fixture.large, BYTES - 1);
    check_fails(pkm_manifest_check(fixture.dir, names, 1, PKM_VERIFY_QUICK), PKM_ERR_FORMAT,
                "large", "50331648", NULL);
    check_ok(pkm_manifest_check(fixture.dir, names, 1, PKM_VERIFY_NONE));
    check_ok(pkm_file_write(fixture.large, "short", 5));
    check_fails(pkm_manifest_check(fixture.dir, names, 1, PKM_VERIFY_QUICK), PKM_ERR_FORMAT,
                "large", "5 bytes", NULL);
    check_ok(pkm_manifest_check(fixture.dir, names, 1, PKM_VERIFY_NONE));
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
