/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that is stopped after any of its steps and resumed, with the same or another number of
 * threads, ends with the bits, moments and log of one that was not.
 *
 *   test_resume_split [STEPS]     every pair of thread counts at every step if STEPS is given
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"
#include "support/run.h"
#include "support/same_tree.h"

enum { FEW_STEPS = 24 };

static const char *const thread_pairs[][2] = {{"1", "1"}, {"2", "2"}, {"3", "3"}, {"8", "8"},
                                              {"1", "8"}, {"3", "2"}, {"8", "1"}};
enum { N_PAIRS = sizeof thread_pairs / sizeof thread_pairs[0] };

static char steps_text[16];
static int steps;
static bool all_pairs;

static void train(const small_world *world, const char *run, int stop_at, const char *threads)
{
    const char *const options[] = {"steps",      steps_text, "threads",          threads,
                                   "eval_every", "10",       "checkpoint_every", "0",
                                   "grad_accum", "2",        "keep_checkpoints", "1",
                                   NULL};
    pkm_status status = small_train(world, run, true, stop_at, options);

    if (stop_at > 0)
        check_fails(status, PKM_ERR_CANCELLED, "stopped", NULL);
    else
        check_ok(status);
}

static void check_split(const small_world *world, int at, const char *const threads[2])
{
    const char *run = "split";
    char *whole = small_world_run(world, "whole"), *split = small_world_run(world, run);

    train(world, run, at, threads[0]);
    train(world, run, 0, threads[1]);
    if (!same_tree(whole, split, true))
        fail_msg("split at step %d, %s threads before and %s after", at, threads[0], threads[1]);
    check_ok(pkm_directory_remove(split));
    pkm_free(whole);
    pkm_free(split);
}

static void test_every_split(void **state)
{
    small_world world;

    (void)state;
    small_world_create(&world);
    train(&world, "whole", 0, "1");
    for (int at = 1; at < steps; at++)
        for (int pair = 0; pair < N_PAIRS; pair++)
            if (all_pairs || pair == at % N_PAIRS)
                check_split(&world, at, thread_pairs[pair]);
    small_world_destroy(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_split)};

    all_pairs = argc > 1;
    steps = all_pairs ? atoi(argv[1]) : FEW_STEPS;
    snprintf(steps_text, sizeof steps_text, "%d", steps);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
