/* SPDX-License-Identifier: Apache-2.0 */
#include "train/run_folder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"
#include "train/metrics.h"

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
    int64_t step, *steps;
    size_t count;

    (void)state;
    check_ok(pkm_run_folder_open(&folder, temp, false));
    for (step = 10; step <= 50; step += 10) {
        make_step(&folder, step);
        check_ok(pkm_run_folder_publish(&folder, step));
    }
    check_ok(pkm_run_folder_publish_best(&folder, 20));
    check_ok(pkm_run_folder_prune(&folder, 2, 0, 20));
    assert_false(step_exists(&folder, 10));
    assert_true(step_exists(&folder, 20));
    assert_false(step_exists(&folder, 30));
    assert_true(step_exists(&folder, 40));
    assert_true(step_exists(&folder, 50));
    check_file(folder.checkpoints, "last", "step-00000050\n", 14);
    check_file(folder.checkpoints, "best", "step-00000020\n", 14);
    step = 50;
    check_file(temp, "model.safetensors", &step, sizeof step);
    check_ok(pkm_run_folder_steps(&folder, &steps, &count));
    assert_int_equal(count, 3);
    assert_int_equal(steps[0], 50);
    assert_int_equal(steps[2], 20);
    pkm_free(steps);
    make_step(&folder, 60);
    check_ok(pkm_run_folder_prune(&folder, 1, 40, 0));
    assert_false(step_exists(&folder, 20));
    assert_true(step_exists(&folder, 40));
    assert_false(step_exists(&folder, 50));
    assert_true(step_exists(&folder, 60));
    pkm_run_folder_close(&folder);
    temp_remove(temp);
}

/* The log of a stranger's run may lead anywhere, or nowhere. */
static void test_log_is_a_file(void **state)
{
    char *temp = temp_create(), *log, *victim;
    pkm_metrics metrics;
    int64_t missing;

    (void)state;
    check_ok(pkm_path_join(&log, temp, "metrics.jsonl"));
    check_ok(pkm_path_join(&victim, temp, "victim"));
    check_ok(pkm_file_write(victim, "kept", 4));
    assert_int_equal(symlink(victim, log), 0);
    check_fails(pkm_metrics_open(&metrics, temp, 0, &missing), PKM_ERR_IO, "metrics.jsonl", NULL);
    check_file(temp, "victim", "kept", 4);
    check_ok(pkm_directory_remove(log));
    assert_int_equal(mkfifo(log, 0600), 0);
    check_fails(pkm_metrics_open(&metrics, temp, 0, &missing), PKM_ERR_IO, "metrics.jsonl",
                "regular", NULL);
    check_ok(pkm_directory_remove(log));
    check_ok(pkm_file_write(log, "{}\n{\"a", 6));
    check_ok(pkm_metrics_open(&metrics, temp, 100, &missing));
    assert_int_equal(missing, 94);
    pkm_metrics_close(&metrics);
    check_file(temp, "metrics.jsonl", "{}\n{\"a\n", 7);
    pkm_free(log);
    pkm_free(victim);
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

/* Temporary names of ours go when a run is opened; whatever else is called like that stays. */
static void test_leftovers_go(void **state)
{
    static const struct {
        const char *name;
        bool goes;
    } cases[] = {
        {"checkpoints/step-00000009.tmp-123", true},
        {"checkpoints/last.tmp-4", true},
        {"model.safetensors.tmp-77", true},
        {"metrics.jsonl.tmp-1", true},
        {"m.tmp-1", false},
        {"notes.tmp-2", false},
        {"checkpoints/step-9.tmp-old", false},
        {"checkpoints/step-x.tmp-1", true},
        {"config.json.tmp-", false},
    };
    char *temp = temp_create(), *left;
    pkm_run_folder folder;

    (void)state;
    check_ok(pkm_run_folder_open(&folder, temp, false));
    pkm_run_folder_close(&folder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok(pkm_path_join(&left, temp, cases[i].name));
        check_ok(pkm_directory_create(left));
        pkm_free(left);
    }
    check_ok(pkm_run_folder_open(&folder, temp, false));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok(pkm_path_join(&left, temp, cases[i].name));
        if (pkm_directory_exists(left) == cases[i].goes)
            fail_msg("%s: %s", cases[i].name, cases[i].goes ? "was left" : "was removed");
        pkm_free(left);
    }
    pkm_run_folder_close(&folder);
    temp_remove(temp);
}

/* Makes dir/name a link to `target` and tells whether the run folder opens. */
static pkm_status open_with_link(const char *dir, const char *name, const char *target)
{
    pkm_run_folder folder;
    char *path;
    pkm_status status;

    check_ok(pkm_path_join(&path, dir, name));
    check_ok(pkm_directory_remove(path));
    assert_int_equal(symlink(target, path), 0);
    status = pkm_run_folder_open(&folder, dir, true);
    if (status == PKM_OK)
        pkm_run_folder_close(&folder);
    check_ok(pkm_directory_remove(path));
    pkm_free(path);
    return status;
}

/* A run folder from a stranger, full of links: nothing is written or removed where they lead. */
static void test_links_are_not_followed(void **state)
{
    char *temp = temp_create(), *outside = temp_create(), *victim, *link;
    pkm_run_folder folder;
    int64_t step, *steps;
    size_t count;

    (void)state;
    check_ok(pkm_path_join(&victim, outside, "config.json"));
    check_ok(pkm_file_write(victim, "kept", 4));
    check_fails(open_with_link(temp, "checkpoints", outside), PKM_ERR_STATE, "checkpoints", "link",
                NULL);
    check_fails(open_with_link(temp, ".lock", victim), PKM_ERR_IO, ".lock", NULL);
    check_ok(pkm_run_folder_open(&folder, temp, false));
    check_ok(pkm_path_join(&link, folder.checkpoints, "step-00000009"));
    assert_int_equal(symlink(outside, link), 0);
    pkm_free(link);
    check_ok(pkm_run_folder_steps(&folder, &steps, &count));
    assert_int_equal(count, 0);
    pkm_free(steps);
    for (int i = 0; i < 2; i++) {
        check_ok(pkm_path_join(&link, i == 0 ? temp : folder.checkpoints,
                               i == 0 ? "config.json" : "last"));
        assert_int_equal(symlink(victim, link), 0);
        pkm_free(link);
    }
    for (step = 1; step <= 3; step++) {
        make_step(&folder, step);
        check_ok(pkm_run_folder_publish(&folder, step));
    }
    check_ok(pkm_run_folder_prune(&folder, 1, 0, 0));
    check_file(folder.checkpoints, "last", "step-00000003\n", 14);
    check_file(outside, "config.json", "kept", 4);
    pkm_run_folder_close(&folder);
    pkm_free(victim);
    temp_remove(temp);
    temp_remove(outside);
}

/* Training into somebody's model folder would replace the model. */
static void test_model_of_other_origin_is_kept(void **state)
{
    char *temp = temp_create(), *model;
    pkm_run_folder folder;

    (void)state;
    check_ok(pkm_path_join(&model, temp, "model.safetensors"));
    check_ok(pkm_file_write(model, "kept", 4));
    check_fails(pkm_run_folder_open(&folder, temp, false), PKM_ERR_STATE, temp, "--init-from",
                NULL);
    check_fails(pkm_run_folder_open(&folder, temp, true), PKM_ERR_STATE, temp, NULL);
    pkm_free(model);
    temp_remove(temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish_and_prune),
        cmocka_unit_test(test_log_is_a_file),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_leftovers_go),
        cmocka_unit_test(test_links_are_not_followed),
        cmocka_unit_test(test_model_of_other_origin_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
