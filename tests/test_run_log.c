/* SPDX-License-Identifier: Apache-2.0 */
#include "report/run_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"
#include "support/malformed.h"
#include "support/run.h"

static char *folder, *file;

static int create(void **state)
{
    folder = temp_create();
    check_ok(pkm_path_join(&file, folder, "metrics.jsonl"));
    return the_world_create(state);
}

static int destroy(void **state)
{
    pkm_free(file);
    temp_remove(folder);
    return the_world_destroy(state);
}

static const char good[] =
    "{\"step\": 10, \"tokens\": 80, \"loss\": 5.5, \"lr\": 0.1, \"tok_per_s\": 40, \"wall\": 2}\n"
    "{\"step\": 12, \"tokens\": 96, \"event\": \"skip\", \"from_step\": 12, \"reason\": \"a "
    "spike\"}\n"
    "{\"step\": 20, \"tokens\": 160, \"loss\": 4.5, \"tok_per_s\": 60, \"wall\": 4.5}\n"
    "{\"step\": 20, \"tokens\": 160, \"val_loss\": 4.25, \"memory\": [{\"layer\": 3, \"slots\": 9, "
    "\"used\": 0.5, \"top1_used\": 0.25, \"kl\": 1.5, \"mass_curve\": [[1, 0.75], [4, 0.125]]}, "
    "{\"layer\": 5, \"slots\": 9, \"used\": 1, \"top1_used\": 1, \"kl\": 0}], \"later\": []}\n"
    "{\"step\": 30, \"tokens\": 240, \"val_loss\": 4.75, \"wall\": 6}\n";

static void test_figures(void **state)
{
    pkm_run_log log;

    (void)state;
    malformed_write(file, good, sizeof good - 1);
    check_ok(pkm_run_log_load(&log, folder, "a\xff\n/b\xc3\xa9//"));
    assert_string_equal(log.name, "a?"
                                  "?/b\xc3\xa9");
    assert_int_equal(log.loss.count, 2);
    assert_true(log.loss.points[1].value == 4.5 && log.loss.points[1].tokens == 160);
    assert_int_equal(log.val_loss.count, 2);
    assert_true(log.last_val == 4.75 && log.best_val == 4.25 && log.last_loss == 4.5);
    assert_true(log.step == 30 && log.tokens == 240 && log.wall == 6);
    assert_int_equal(log.n_incidents, 1);
    assert_int_equal(log.n_memories, 2);
    assert_int_equal(log.memories[0].layer, 3);
    assert_true(log.memories[0].used.points[0].value == 0.5);
    assert_true(log.memories[0].top1_used.points[0].value == 0.25);
    assert_true(log.memories[0].kl.points[0].value == 1.5);
    assert_int_equal(log.memories[0].n_ranks, 2);
    assert_true(log.memories[0].rank[1] == 4 && log.memories[0].mass[1] == 0.125);
    assert_int_equal(log.memories[1].n_ranks, 0); /* as in older files */
    pkm_run_log_release(&log);
}

/* A line that is being written, and a file without a line. */
static void test_unfinished(void **state)
{
    pkm_run_log log;

    (void)state;
    malformed_write(file, good, sizeof good - 10);
    check_ok(pkm_run_log_load(&log, folder, "run"));
    assert_true(log.step == 20 && log.last_val == 4.25);
    pkm_run_log_release(&log);
    malformed_write(file, "", 0);
    check_ok(pkm_run_log_load(&log, folder, "run"));
    assert_true(isnan(log.last_val) && isnan(log.wall) && log.n_memories == 0);
    pkm_run_log_release(&log);
}

/* What training writes is what is read. */
static void test_of_a_training(void **state)
{
    char *run = small_world_run(&the_world, "run");
    pkm_run_log log;

    (void)state;
    check_ok(small_train(&the_world, "run", false, 0, NULL));
    check_ok(pkm_run_log_load(&log, run, "run"));
    assert_int_equal(log.loss.count, 12);
    assert_int_equal(log.val_loss.count, 2);
    assert_int_equal(log.n_memories, 1);
    assert_int_equal(log.memories[0].n_ranks, 64); /* of 64 slots: all */
    pkm_run_log_release(&log);
    pkm_free(run);
}

/* ---- damaged files ---- */

static pkm_status load(const char *path)
{
    pkm_run_log log;

    (void)path;
    PKM_TRY(pkm_run_log_load(&log, folder, "run"));
    pkm_run_log_release(&log);
    return PKM_OK;
}

static const malformed_case cases[] = {
    {"no JSON", BYTES("{'step': 20"), BYTES("step: 20"), PKM_ERR_FORMAT, {"jsonl:3", NULL}},
    {"a list", BYTES(""), BYTES("[]\n"), PKM_ERR_FORMAT, {"jsonl:1", "an object"}},
    {"an empty line", BYTES(""), BYTES("\n"), PKM_ERR_FORMAT, {"jsonl:1", NULL}},
    {"no step", BYTES("'step': 10, "), BYTES(""), PKM_ERR_FORMAT, {"jsonl:1", "step"}},
    {"no tokens",
     BYTES("'tokens': 96"),
     BYTES("'token': 96"),
     PKM_ERR_FORMAT,
     {"jsonl:2", "tokens"}},
    {"a negative step",
     BYTES("'step': 10"),
     BYTES("'step': -10"),
     PKM_ERR_FORMAT,
     {"jsonl:1", "step"}},
    {"loss in words", BYTES("5.5"), BYTES("'high'"), PKM_ERR_FORMAT, {"jsonl:1", "loss"}},
    {"loss is null", BYTES("5.5"), BYTES("null"), PKM_ERR_FORMAT, {"jsonl:1", "loss"}},
    {"a NaN", BYTES("5.5"), BYTES("NaN"), PKM_ERR_FORMAT, {"jsonl:1", NULL}},
    {"beyond double", BYTES("5.5"), BYTES("1e999"), PKM_ERR_FORMAT, {"jsonl:1", NULL}},
    {"a loss too large", BYTES("5.5"), BYTES("1e31"), PKM_ERR_FORMAT, {"jsonl:1", "loss"}},
    {"a key twice", BYTES("'lr'"), BYTES("'loss'"), PKM_ERR_FORMAT, {"jsonl:1", "loss"}},
    {"wall below 0", BYTES("'wall': 2"), BYTES("'wall': -2"), PKM_ERR_FORMAT, {"jsonl:1", "wall"}},
    {"memory no list",
     BYTES("[{'layer': 3"),
     BYTES("{'a': [{'layer': 3"),
     PKM_ERR_FORMAT,
     {"jsonl:4", NULL}},
    {"memory of numbers",
     BYTES("'memory': ["),
     BYTES("'memory': [7, "),
     PKM_ERR_FORMAT,
     {"jsonl:4", "objects"}},
    {"no layer", BYTES("'layer': 3, "), BYTES(""), PKM_ERR_FORMAT, {"jsonl:4", "layer"}},
    {"a layer too high",
     BYTES("'layer': 3"),
     BYTES("'layer': 1024"),
     PKM_ERR_FORMAT,
     {"jsonl:4", "layer"}},
    {"no slots", BYTES("'slots': 9"), BYTES("'slots': 0"), PKM_ERR_FORMAT, {"jsonl:4", "slots"}},
    {"used above 1",
     BYTES("'used': 0.5"),
     BYTES("'used': 1.5"),
     PKM_ERR_FORMAT,
     {"jsonl:4", "used"}},
    {"no kl", BYTES("'kl': 1.5"), BYTES("'lk': 1.5"), PKM_ERR_FORMAT, {"jsonl:4", "kl"}},
    {"ranks fall", BYTES("[4, 0.125]"), BYTES("[1, 0.125]"), PKM_ERR_FORMAT, {"jsonl:4", "pair 1"}},
    {"a rank beyond",
     BYTES("[4, 0.125]"),
     BYTES("[10, 0.125]"),
     PKM_ERR_FORMAT,
     {"jsonl:4", "to 9"}},
    {"mass above 1", BYTES("0.75"), BYTES("1.75"), PKM_ERR_FORMAT, {"jsonl:4", "pair 0"}},
    {"no pair", BYTES("[1, 0.75]"), BYTES("[1, 0.75, 2]"), PKM_ERR_FORMAT, {"jsonl:4", "pair 0"}},
    {"a curve of numbers", BYTES("[1, 0.75]"), BYTES("1"), PKM_ERR_FORMAT, {"jsonl:4", "pair 0"}},
};

static void test_damaged(void **state)
{
    const malformed_format format = {
        .name = "metrics.jsonl", .file = file, .quotes = true, .read = load};

    (void)state;
    malformed_write(file, good, sizeof good - 1);
    malformed_check(&format, cases, sizeof cases / sizeof cases[0]);
}

static void test_refused(void **state)
{
    enum { LONG = (16 << 20) + 1 };
    char *line = malloc(LONG), *path;

    (void)state;
    memset(line, ' ', LONG);
    malformed_write(file, line, LONG);
    check_fails(load(NULL), PKM_ERR_FORMAT, "metrics.jsonl:1", "more than", NULL);
    free(line);
    check_ok(pkm_path_join(&path, folder, "nowhere"));
    check_fails(pkm_run_log_load(&(pkm_run_log){0}, path, "run"), PKM_ERR_IO,
                "nowhere/metrics.jsonl", NULL);
    pkm_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),       cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_of_a_training), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, create, destroy);
}
