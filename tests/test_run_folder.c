/* SPDX-License-Identifier: Apache-2.0 */
#include "train/run_folder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"

/* A step folder with the three files that publishing links. */
static void make_step(const pkm_run_folder *folder, int64_t step)
{
    static const char *const names[] = {"config.json", "model.safetensors", "tokenizer.json"};
    char *dir, *path;

    check_ok(pkm_run_folder_step(folder, &dir, step));
    check_ok(pkm_directory_create(dir));
    for (int i = 0; i < 3; i++) {
        check_ok(pkm_path_join(&path, dir, names[i]));
        check_ok(pkm_file_write(path, &step, sizeof step));
        pkm_free(path);
    }
    pkm_free(dir);
}

static bool step_exists(const pkm_run_folder *folder, int64_t step)
{
    char *dir;
    bool exists;

    check_ok(pkm_run_folder_step(folder, &dir, step));
    exists = pkm_directory_exists(dir);
    pkm_free(dir);
    return exists;
}

static void check_file(const char *dir, const char *name, const void *want, size_t bytes)
{
    char *path, *got;
    size_t got_bytes;

    check_ok(pkm_path_join(&path, dir, name));
    check_ok(pkm_file_read(&got, &got_bytes, path, 4096));
    assert_int_equal(got_bytes, bytes);
    assert_memory_equal(got, want, bytes);
    pkm_free(got);
    pkm_free(path);
}

static void test_publish_and_prune(void **state)
{
    char *temp = temp_create();
    pkm_run_folder folder;
    int64_t step;

    (void)state;
    check_ok(pkm_run_folder_open(&folder, temp, false));
    for (step = 10; step <= 50; step += 10) {
        make_step(&folder, step);
        check_ok(pkm_run_folder_publish(&folder, step));
    }
    check_ok(pkm_run_folder_publish_best(&folder, 20));
    check_ok(pkm_run_folder_prune(&folder, 2, 20));
    assert_false(step_exists(&folder, 10));
    assert_true(step_exists(&folder, 20));
    assert_false(step_exists(&folder, 30));
    assert_true(step_exists(&folder, 40));
    assert_true(step_exists(&folder, 50));
    check_file(folder.checkpoints, "last", "step-00000050\n", 14);
    check_file(folder.checkpoints, "best", "step-00000020\n", 14);
    step = 50;
    check_file(temp, "model.safetensors", &step, sizeof step);
    check_ok(pkm_run_folder_newest(&folder, 1, &step));
    assert_int_equal(step, 40);
    check_ok(pkm_run_folder_newest(&folder, 3, &step));
    assert_int_equal(step, 0);
    check_ok(pkm_run_folder_count(&folder, &step));
    assert_int_equal(step, 3);
    pkm_run_folder_close(&folder);
    temp_remove(temp);
}

static void test_refusals(void **state)
{
    char *temp = temp_create();
    pkm_run_folder folder, second;

    (void)state;
    check_ok(pkm_run_folder_open(&folder, temp, false));
    check_fails(pkm_run_folder_open(&second, temp, true), PKM_ERR_STATE, temp, "another", NULL);
    make_step(&folder, 7);
    pkm_run_folder_close(&folder);
    check_fails(pkm_run_folder_open(&folder, temp, false), PKM_ERR_STATE, "step 7", "--resume",
                NULL);
    check_ok(pkm_run_folder_open(&folder, temp, true));
    pkm_run_folder_close(&folder);
    temp_remove(temp);
}

static void test_leftovers_go(void **state)
{
    char *temp = temp_create(), *left;
    pkm_run_folder folder;

    (void)state;
    check_ok(pkm_run_folder_open(&folder, temp, false));
    check_ok(pkm_path_join(&left, folder.checkpoints, "step-00000009.tmp-123"));
    check_ok(pkm_directory_create(left));
    pkm_run_folder_close(&folder);
    check_ok(pkm_run_folder_open(&folder, temp, false));
    assert_false(pkm_directory_exists(left));
    pkm_free(left);
    pkm_run_folder_close(&folder);
    temp_remove(temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish_and_prune),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_leftovers_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
