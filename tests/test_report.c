/* SPDX-License-Identifier: Apache-2.0 */
/* pkm_plot and pkm_report on logs written by hand and on a training. */
#include "pkm/report.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"
#include "support/faults.h"
#include "support/malformed.h"
#include "support/run.h"

/* A run of n steps with a memory in layers 1 and 3, in the world's folder. */
static void make_run(const char *name, int n)
{
    char *run = small_world_run(&the_world, name), *path;
    pkm_writer *writer;
    char line[512];

    check_ok(pkm_directory_create(run));
    check_ok(pkm_path_join(&path, run, "metrics.jsonl"));
    check_ok(pkm_writer_create(&writer, path));
    for (int i = 1; i <= n; i++) {
        int bytes = snprintf(
            line, sizeof line,
            "{\"step\": %d, \"tokens\": %d, \"loss\": %g, \"tok_per_s\": 9, \"val_loss\": %g, "
            "\"memory\": [{\"layer\": 1, \"slots\": 4, \"used\": 1, \"top1_used\": 0.5, \"kl\": 1, "
            "\"mass_curve\": [[1, 0.5], [2, 0.5], [3, 0], [4, 0]]}, "
            "{\"layer\": 3, \"slots\": 4, \"used\": 0.2, \"top1_used\": 0, \"kl\": 2}]}\n",
            i, 8 * i, 9 - 3.0 * i / n, 9 - 2.0 * i / n);

        check_ok(pkm_writer_write(writer, line, (size_t)bytes));
    }
    check_ok(pkm_writer_commit(writer));
    pkm_writer_destroy(writer);
    pkm_free(path);
    pkm_free(run);
}

/* The picture of runs under this name, NUL appended; pkm_free'd by the caller. */
static char *plot(const char *name, const char *const *names, int n, size_t *bytes)
{
    char *runs[4], *path, *picture;

    check_ok(pkm_path_join(&path, the_world.dir, name));
    for (int i = 0; i < n; i++)
        runs[i] = small_world_run(&the_world, names[i]);
    check_ok(pkm_plot(path, (const char *const *)runs, n, true));
    check_ok(pkm_file_read(&picture, bytes, path, 16 << 20));
    for (int i = 0; i < n; i++)
        pkm_free(runs[i]);
    pkm_free(path);
    return picture;
}

/* How often the word is in the text. */
static int count(const char *text, const char *word)
{
    int n = 0;

    while ((text = strstr(text, word)) != NULL) {
        text++;
        n++;
    }
    return n;
}

static void test_plot(void **state)
{
    const char *const names[] = {"short", "long", "short"};
    char *picture;
    size_t one, three;

    (void)state;
    make_run("short", 1);
    make_run("long", 5000);
    picture = plot("one.svg", names, 1, &one);
    assert_non_null(strstr(picture, "<svg "));
    assert_non_null(strstr(picture, "</svg>"));
    /* What is a single point is seen: losses, and three figures of each memory. */
    assert_int_equal(count(picture, "<circle "), 2 + 3 * 2);
    pkm_free(picture);
    /* Of a long run a bounded number of points. */
    picture = plot("three.svg", names, 3, &three);
    assert_true(three > one && three < 1000000);
    pkm_free(picture);
}

static void check_refused(const char *name, int n_runs, pkm_status status, const char *word)
{
    char *run = small_world_run(&the_world, "empty"), *path;
    const char *runs[PKM_REPORT_RUNS + 1];

    for (int i = 0; i <= PKM_REPORT_RUNS; i++)
        runs[i] = run;
    check_ok(pkm_path_join(&path, the_world.dir, name));
    check_fails(pkm_plot(path, runs, n_runs, false), status, word, NULL);
    assert_false(pkm_file_exists(path));
    pkm_free(path);
    pkm_free(run);
}

static void test_refused(void **state)
{
    (void)state;
    make_run("empty", 0);
    check_refused("a.svg", 0, PKM_ERR_ARG, "0 runs");
    check_refused("a.svg", PKM_REPORT_RUNS + 1, PKM_ERR_ARG, "257 runs");
    check_refused("a.jpg", 1, PKM_ERR_ARG, ".svg or .png");
    check_refused("a", 1, PKM_ERR_ARG, ".svg or .png");
    check_refused("a.svg", 1, PKM_ERR_ARG, "nothing to show");
    check_refused("nowhere/a.svg", 1, PKM_ERR_ARG, "nothing to show");
    check_fails(pkm_report("x.html", the_world.data, false), PKM_ERR_ARG, "no run", NULL);
    check_fails(pkm_report("x.html", "/nowhere", false), PKM_ERR_IO, "/nowhere", NULL);
}

/* The page on a folder of the world. */
static char *report(const char *name)
{
    char *dir = small_world_run(&the_world, name), *path, *page;
    size_t bytes;

    check_ok(pkm_path_join(&path, the_world.dir, "page.html"));
    check_ok(pkm_report(path, dir, false));
    check_ok(pkm_file_read(&page, &bytes, path, 16 << 20));
    pkm_free(path);
    pkm_free(dir);
    return page;
}

static void test_page(void **state)
{
    const char *const wider[] = {"dim", "48", NULL};
    char *page, *link, *target;

    (void)state;
    make_run("rec/<b>&", 40);
    check_ok(small_train(&the_world, "rec/deep/trained", false, 0, NULL));
    check_ok(small_train(&the_world, "rec/wide", false, 0, wider));
    target = small_world_run(&the_world, "long");
    link = small_world_run(&the_world, "rec/link");
    assert_int_equal(symlink(target, link), 0);
    page = report("rec");
    /* Names: escaped; below the folder; links are not followed. */
    assert_int_equal(count(page, "<b>"), 0);
    assert_int_equal(count(page, "&lt;b&gt;&amp;"), 3); /* figures, legend, settings */
    assert_int_equal(count(page, ">deep/trained<"), 3);
    assert_int_equal(count(page, ">link<"), 0);
    /* Figures: perplexity e^7 = 1096.63 of the run by hand. */
    assert_int_equal(count(page, "<td><span>1096.63</span></td><td>7.0000</td>"), 1);
    assert_int_equal(count(page, "class=\"best\""), 1);
    assert_int_equal(count(page, "<td>100.0 % / 20.0 %</td>"), 1);
    /* What differs comes first. */
    assert_in_range(strstr(page, "<th scope=\"col\">dim</th>") - page, 0,
                    strstr(page, "Held-out perplexity") - page);
    assert_null(strstr(page, "<th scope=\"col\">seed</th>"));
    /* Nothing is fetched; panels share no ids, for there are none; ink is the page's. */
    assert_int_equal(count(page, "class=\"panel\""), 6);
    assert_int_equal(count(page, "src="), 0);
    assert_int_equal(count(page, "<script>"), 1);
    assert_int_equal(count(page, "@import"), 0);
    assert_int_equal(count(page, " id="), 0);
    assert_int_equal(count(page, "#000000"), 0);
    assert_int_not_equal(count(page, "currentColor"), 0);
    /* Row, name and curves of a run know of each other: losses, and four panels of two memories,
     * the second of which has no distribution of its mass. */
    assert_int_equal(count(page, "<tr data-run=\"0\">"), 1);
    assert_int_equal(count(page, "<button type=\"button\" data-run=\"0\">"), 1);
    assert_int_equal(count(page, "<g data-run=\"0\">"), 2 + 4 * 2 - 1);
    pkm_free(page);
    pkm_free(link);
    pkm_free(target);
}

/* Runs are in the order of their numbers; each name is also that of a run's row. */
static void test_order(void **state)
{
    static const char *const sorted[] = {
        "0",
        "1/run2",
        "1/run10",
        "1-a",
        "9007199254740992",
        "9007199254740993",
        "run",
        "run-1",
        "run02",
        "run2",
        "run2a",
        "run2b1",
        "run10",
        "runs",
    };
    enum { N = sizeof sorted / sizeof sorted[0] };
    char *page, *at, name[64];

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "order/%s", sorted[(i + 5) % N]);
        make_run(name, 1);
    }
    page = at = report("order");
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, ">%s</span></span></th>", sorted[i]);
        at = strstr(at, name);
        if (at == NULL)
            fail_msg("%s does not come behind %s", sorted[i], sorted[i > 0 ? i - 1 : 0]);
    }
    pkm_free(page);
}

/* A folder that is a run itself. */
static void test_one_run(void **state)
{
    char *page;

    (void)state;
    make_run("alone", 3);
    page = report("alone");
    assert_int_equal(count(page, "<h1>alone</h1>"), 1);
    assert_int_equal(count(page, "1 run,"), 1);
    assert_int_equal(count(page, "<th scope=\"col\">dim</th>"), 0);
    pkm_free(page);
}

/* A page that is there ends as it should, and is not there any more. */
static void remove_whole(const char *path)
{
    char *page;
    size_t bytes;

    if (!pkm_file_exists(path))
        return;
    check_ok(pkm_file_read(&page, &bytes, path, 16 << 20));
    assert_non_null(strstr(page, "</html>\n"));
    pkm_free(page);
    assert_int_equal(remove(path), 0);
}

/* Every call that can fail does, once and from then on: the page is there whole or not at all,
 * nothing is held, and the message says what it was. */
static void sweep(const char *dir, const char *path, fault_call call, fault_mode mode, int error)
{
    const char *cause = call == FAULT_ALLOC ? "out of memory" : strerror(error);

    for (int nth = 1;; nth++) {
        fault_holdings had = faults_holdings(the_world.dir), has;
        pkm_status status;

        faults_arm(&(fault){call, mode, error, nth});
        status = pkm_report(path, dir, false);
        if (!faults_disarm())
            break;
        has = faults_holdings(the_world.dir);
        if (status == PKM_OK || strstr(pkm_last_error(), cause) == NULL)
            fail_msg("call %d of kind %d fails: status %d, '%s'", nth, call, status,
                     pkm_last_error());
        if (has.blocks != had.blocks || has.files != had.files || has.maps != had.maps)
            fail_msg("call %d of kind %d fails: something is held", nth, call);
        remove_whole(path);
    }
    remove_whole(path);
}

static void test_faults(void **state)
{
    static const struct {
        fault_call call;
        int error;
    } faults[] = {{FAULT_OPEN, EMFILE},
                  {FAULT_READ, EIO},
                  {FAULT_WRITE, ENOSPC},
                  {FAULT_RENAME, EIO},
                  {FAULT_ALLOC, 0}};
    char *dir = small_world_run(&the_world, "alone"), *path;

    (void)state;
    make_run("alone", 3);
    check_ok(pkm_path_join(&path, the_world.dir, "faulty.html"));
    check_ok(pkm_report(path, dir, false)); /* fonts are loaded once */
    faults_install();
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        for (fault_mode mode = FAULT_ONCE; mode <= FAULT_FOR_EVER; mode++)
            sweep(dir, path, faults[i].call, mode, faults[i].error);
    faults_remove();
    pkm_free(path);
    pkm_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plot),  cmocka_unit_test(test_refused), cmocka_unit_test(test_page),
        cmocka_unit_test(test_order), cmocka_unit_test(test_one_run), cmocka_unit_test(test_faults),
    };

    return cmocka_run_group_tests(tests, the_world_create, the_world_destroy);
}
