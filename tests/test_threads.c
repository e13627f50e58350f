/* SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"

#include <stdbool.h>

#include <stdlib.h>

#include "support/check.h"

#include <fenv.h>
#include <float.h>
#include <string.h>
#include <time.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

enum { BLOCKS = 1000, THREADS = 7 };

typedef struct tally {
    int runs[BLOCKS];   /* of each block */
    int thread[BLOCKS]; /* that ran it */
} tally;

static void count(int64_t block, int thread, void *user)
{
    tally *seen = user;

    seen->runs[block]++;
    seen->thread[block] = thread;
}

enum { INNER = 50 };

/* A loop inside a body: how its blocks ran. */
typedef struct nested_loop {
    int outer, runs;
    bool as_outer, in_order;
} nested_loop;

static void count_nested(int64_t block, int thread, void *user)
{
    nested_loop *loop = user;

    loop->as_outer &= thread == loop->outer;
    loop->in_order &= block == loop->runs++;
}

static void nest(int64_t block, int thread, void *user)
{
    nested_loop *loop = (nested_loop *)user + block;

    *loop = (nested_loop){.outer = thread, .as_outer = true, .in_order = true};
    pkm_parallel(INNER, count_nested, loop);
}

/* Every block once, whatever the number of threads; threads get contiguous ranges in order. */
static void test_every_block_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= THREADS; threads++) {
        tally seen = {0};

        check_ok(pkm_threads_set(threads));
        pkm_parallel(BLOCKS, count, &seen);
        for (int i = 0; i < BLOCKS; i++) {
            assert_int_equal(seen.runs[i], 1);
            assert_in_range(seen.thread[i], i > 0 ? seen.thread[i - 1] : 0, threads - 1);
        }
    }
}

static void test_fewer_blocks_than_threads(void **state)
{
    tally seen = {0};

    (void)state;
    check_ok(pkm_threads_set(THREADS));
    pkm_parallel(0, count, &seen);
    assert_int_equal(seen.runs[0], 0);
    pkm_parallel(2, count, &seen);
    assert_int_equal(seen.runs[0] + seen.runs[1], 2);
    assert_int_equal(seen.runs[2], 0);
}

/* In order, on the calling thread, under its number; also where the outer loop has one block. */
static void test_nested_loop_runs_on_its_thread(void **state)
{
    (void)state;
    check_ok(pkm_threads_set(4));
    for (int n_blocks = 1; n_blocks <= 8; n_blocks++) {
        nested_loop loops[8];
        tally plain = {0};

        pkm_parallel(n_blocks, nest, loops);
        pkm_parallel(n_blocks, count, &plain); /* as if nothing had been nested before */
        for (int i = 0; i < n_blocks; i++) {
            assert_int_equal(loops[i].runs, INNER);
            assert_true(loops[i].as_outer);
            assert_true(loops[i].in_order);
            assert_int_equal(loops[i].outer, plain.thread[i]);
        }
    }
}

/* A third, which rounding decides, and a denormal number, which flushing does away with. */
static void compute_at_the_edge(int64_t block, int thread, void *user)
{
    volatile float one = 1, three = 3, least = FLT_MIN, half = 0.5F;
    float(*out)[2] = user;

    (void)thread;
    out[block][0] = one / three;
    out[block][1] = least * half;
}

/* Whatever the caller has set, also after the threads have been started. */
static void test_threads_round_and_flush_as_the_caller(void **state)
{
    enum { TEAM = 4 };
    enum { NEAREST, DOWNWARD, FLUSHING, SETTINGS } setting;
    float out[SETTINGS][TEAM][2], alone[2];
    fenv_t before;

    (void)state;
    check_ok(pkm_threads_set(TEAM));
    assert_int_equal(fegetenv(&before), 0);
    for (setting = NEAREST; setting < SETTINGS; setting++) {
        assert_int_equal(fesetround(setting == DOWNWARD ? FE_DOWNWARD : FE_TONEAREST), 0);
#if defined(__SSE2__)
        if (setting == FLUSHING)
            _mm_setcsr(_mm_getcsr() | 0x8040); /* results and operands: FTZ, DAZ */
#endif
        pkm_parallel(TEAM, compute_at_the_edge, out[setting]);
        compute_at_the_edge(0, 0, &alone);
        for (int i = 0; i < TEAM; i++)
            if (memcmp(out[setting][i], alone, sizeof alone) != 0)
                fail_msg("setting %d: thread %d computes otherwise", (int)setting, i);
    }
    assert_int_equal(fesetenv(&before), 0);
    assert_true(out[DOWNWARD][0][0] < out[NEAREST][0][0]);
    assert_true(out[NEAREST][0][1] > 0);
#if defined(__SSE2__)
    assert_true(out[FLUSHING][0][1] == 0);
#endif
}

/* What the loops of a team did. */
typedef struct team_work {
    tally seen;
    nested_loop nested[THREADS];
    float edge[THREADS][2];
    int rounds, inner_teams;
} team_work;

static void count_team(void *user)
{
    ++*(int *)user;
}

static void team_in_body(int64_t block, int thread, void *user)
{
    (void)thread;
    if (block == 0)
        pkm_team(count_team, user);
}

/* Loops at once after each other and after pauses in which the others go to sleep; loops of fewer
 * blocks than threads; loops and teams within. */
static void work_together(void *user)
{
    static const struct timespec pauses[] = {{0, 0}, {0, 20000}, {0, 3000000}};
    team_work *work = user;

    for (int pause = 0; pause < 3; pause++) {
        for (int round = 0; round < 20; round++, work->rounds++) {
            pkm_parallel(BLOCKS, count, &work->seen);
            pkm_parallel(round % THREADS, count, &work->seen);
            if (pause > 0)
                nanosleep(&pauses[pause], NULL);
        }
    }
    pkm_parallel(THREADS, nest, work->nested);
    pkm_parallel(THREADS, compute_at_the_edge, work->edge);
    pkm_team(count_team, &work->inner_teams);
    pkm_parallel(BLOCKS, team_in_body, &work->inner_teams);
}

static void test_team(void **state)
{
    enum { ROUNDS = 60, SMALL = 9 }; /* of block 0, small loops: 60 - those of 0 blocks */
    fenv_t before;

    (void)state;
    assert_int_equal(fegetenv(&before), 0);
    assert_int_equal(fesetround(FE_DOWNWARD), 0);
    for (int threads = 1; threads <= THREADS; threads++) {
        team_work work = {0};
        float alone[2];

        check_ok(pkm_threads_set(threads));
        pkm_team(work_together, &work);
        compute_at_the_edge(0, 0, &alone);
        assert_int_equal(work.rounds, ROUNDS);
        assert_int_equal(work.seen.runs[0], 2 * ROUNDS - SMALL);
        assert_int_equal(work.seen.runs[THREADS - 1], ROUNDS);
        assert_int_equal(work.inner_teams, 2);
        for (int i = 1; i < BLOCKS; i++)
            assert_in_range(work.seen.runs[i], ROUNDS, work.seen.runs[i - 1]);
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(work.nested[i].runs, INNER);
            assert_true(work.nested[i].as_outer && work.nested[i].in_order);
            assert_in_range(work.nested[i].outer, i > 0 ? work.nested[i - 1].outer : 0,
                            threads - 1);
            assert_memory_equal(work.edge[i], alone, sizeof alone);
        }
    }
    assert_int_equal(fesetenv(&before), 0);
}

static void test_choice(void **state)
{
    pkm_thread_choice choice;

    (void)state;
    check_ok(pkm_threads_set(3));
    check_ok(pkm_threads_choice(&choice));
    assert_int_equal(choice.asked, 3);
    assert_int_equal(choice.threads, 3);
    assert_int_equal(pkm_threads(), 3);
    check_ok(pkm_threads_set(0));
    check_ok(pkm_threads_choice(&choice));
    assert_in_range(pkm_threads(), 1, choice.cores);
    check_fails(pkm_threads_set(-1), PKM_ERR_ARG, "threads is -1", NULL);
    check_fails(pkm_threads_set(100000), PKM_ERR_ARG, "100000", NULL);
}

/* A PKM_THREADS that is no number is an error that names it, unless a number was set. */
static void test_environment(void **state)
{
    static const char *const bad[] = {"many", "-1", "2x", "1025", "99999999999999999999", " "};
    pkm_thread_choice choice;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("PKM_THREADS", bad[i], 1);
        check_fails(pkm_threads_set(0), PKM_ERR_ARG, "PKM_THREADS", bad[i], "0 (automatic) to 1024",
                    NULL);
        check_fails(pkm_threads_check(), PKM_ERR_ARG, "PKM_THREADS", bad[i], NULL);
        assert_int_equal(pkm_threads(), 1);
        check_ok(pkm_threads_set(2));
        check_ok(pkm_threads_check());
    }
    setenv("PKM_THREADS", "3", 1);
    check_ok(pkm_threads_set(0));
    assert_int_equal(pkm_threads(), 3);
    unsetenv("PKM_THREADS");
    check_ok(pkm_threads_set(0));
    check_ok(pkm_threads_choice(&choice));
    assert_int_equal(choice.asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_block_once),
        cmocka_unit_test(test_fewer_blocks_than_threads),
        cmocka_unit_test(test_nested_loop_runs_on_its_thread),
        cmocka_unit_test(test_threads_round_and_flush_as_the_caller),
        cmocka_unit_test(test_team),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
