/* SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"

#include <dlfcn.h>
#include <fenv.h>
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/size.h"

enum { MAX_THREADS = 1024 };

static _Atomic int threads_asked;
static _Atomic int threads_in_use;

/* The number of the calling thread in the loop whose body it is in; -1: in none. */
static _Thread_local int body_thread = -1;

static int affinity_cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

/* cgroup v2 `cpu.max` is "quota period" in microseconds, or "max period". */
static int quota_v2(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    long long quota = 0, period = 0;
    int fields;

    if (file == NULL)
        return 0;
    fields = fscanf(file, "%lld %lld", &quota, &period);
    (void)fclose(file);
    if (fields != 2 || quota <= 0 || period <= 0)
        return 0;
    return (int)pkm_max_i64(1, pkm_min_i64(quota / period, MAX_THREADS));
}

static long long read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    long long value = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld", &value) != 1)
        value = 0;
    (void)fclose(file);
    return value;
}

static int quota_v1(void)
{
    long long quota = read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    long long period = read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us");

    if (quota <= 0 || period <= 0)
        return 0;
    return (int)pkm_max_i64(1, pkm_min_i64(quota / period, MAX_THREADS));
}

/* Online processors divided by the hardware threads that share a core. */
static int physical_cores(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    FILE *file = fopen("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "re");
    int first = 0, second = 0;
    char separator = 0;
    bool shared = false;

    if (file != NULL) {
        shared = fscanf(file, "%d%c%d", &first, &separator, &second) == 3;
        (void)fclose(file);
    }
    if (online < 1)
        online = 1;
    return (int)(shared && online > 1 ? online / 2 : online);
}

static int lower_limit(int limit, int candidate)
{
    return candidate > 0 && (limit == 0 || candidate < limit) ? candidate : limit;
}

/* *out = PKM_THREADS; 0 if it is not set. */
static pkm_status threads_wanted(int *out)
{
    const char *text = getenv("PKM_THREADS");
    char *end;
    long value;

    *out = 0;
    if (text == NULL || text[0] == '\0')
        return PKM_OK;
    value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 0 || value > MAX_THREADS)
        return pkm_fail(PKM_ERR_ARG,
                        "PKM_THREADS is '%s': expected a whole number from 0 (automatic) to %d",
                        text, MAX_THREADS);
    *out = (int)value;
    return PKM_OK;
}

pkm_status pkm_threads_choice(pkm_thread_choice *out)
{
    int quota = quota_v2();
    int asked = threads_asked;

    if (asked == 0)
        PKM_TRY(threads_wanted(&asked));
    out->asked = asked;
    out->affinity = affinity_cores();
    out->quota = quota > 0 ? quota : quota_v1();
    out->cores = physical_cores();
    out->threads = lower_limit(lower_limit(out->affinity, out->quota), out->cores);
    if (asked > 0)
        out->threads = asked;
    if (out->threads < 1)
        out->threads = 1;
    return PKM_OK;
}

pkm_status pkm_threads_set(int threads)
{
    pkm_thread_choice choice;

    if (threads < 0 || threads > MAX_THREADS)
        return pkm_fail(PKM_ERR_ARG, "threads is %d: expected 0 (automatic) to %d", threads,
                        MAX_THREADS);
    threads_asked = threads;
    threads_in_use = 0;
    PKM_TRY(pkm_threads_choice(&choice));
    threads_in_use = choice.threads;
    return PKM_OK;
}

pkm_status pkm_threads_check(void)
{
    int unused;

    return threads_asked > 0 ? PKM_OK : threads_wanted(&unused);
}

int pkm_threads(void)
{
    int threads = threads_in_use;

    if (threads == 0) {
        pkm_thread_choice choice;

        threads = pkm_threads_choice(&choice) == PKM_OK ? choice.threads : 1;
        threads_in_use = threads;
    }
    return threads;
}

/* A loop over blocks that `size` threads share. */
typedef struct shared_loop {
    int64_t n_blocks;
    pkm_block_body body;
    void *user;
    int size;
    fenv_t caller;
} shared_loop;

static void run_blocks(const shared_loop *loop, int64_t first, int64_t last, int thread)
{
    int outer = body_thread;

    body_thread = thread;
    for (int64_t block = first; block < last; block++)
        loop->body(block, thread, loop->user);
    body_thread = outer;
}

static void run_share(const shared_loop *loop, int thread)
{
    if (thread >= loop->size)
        return;
    (void)fesetenv(&loop->caller);
    run_blocks(loop, loop->n_blocks * thread / loop->size,
               loop->n_blocks * (thread + 1) / loop->size, thread);
}

/* ---- teams ---- */

/* Threads that stay in one OpenMP region for many loops. What one side writes while the other one
 * reads something else has a cache line of its own. */
typedef struct team {
    _Alignas(64) _Atomic uint64_t begun; /* loops that the first thread has handed out */
    int size;
    _Alignas(64) _Atomic int done; /* other threads that are through the current one */
    _Alignas(64) shared_loop loop; /* the current one; its size is 0 when the team is dismissed */
} team;

/* The team whose first thread this is; NULL: none. */
static _Thread_local team *own_team;

/* A thread that waits: its turns so far, and when it first offered its core; 0: not yet. */
typedef struct waiting {
    int turns;
    uint64_t offered_ns;
} waiting;

/*
 * One turn of waiting. Between two loops of a step lie microseconds, less than waking a sleeping
 * thread takes; but a thread that spins longer may hold the core that the awaited one needs, so it
 * offers the core first and sleeps later. Later is a time, not a number of turns: on a busy machine
 * an offer comes back after milliseconds, and who waits at length must not look busy itself.
 */
static void wait_turn(waiting *wait)
{
    static const struct timespec nap = {.tv_nsec = 50000};
    enum { SPINS = 500, OFFERS_NS = 500000 };
    uint64_t now;

    if (wait->turns < SPINS) {
        wait->turns++;
#ifdef PKM_X86
        __builtin_ia32_pause();
#endif
        return;
    }
    now = pkm_clock_ns();
    if (wait->offered_ns == 0)
        wait->offered_ns = now;
    if (now - wait->offered_ns < OFFERS_NS)
        (void)sched_yield();
    else
        (void)nanosleep(&nap, NULL);
}

static void serve(team *mine, int thread)
{
    uint64_t seen = 0;

    for (;;) {
        for (waiting wait = {0}; mine->begun == seen;)
            wait_turn(&wait);
        seen++;
        if (mine->loop.size == 0)
            return;
        run_share(&mine->loop, thread);
        mine->done++;
    }
}

static void team_loop(team *mine, const shared_loop *loop)
{
    mine->loop = *loop;
    mine->done = 0;
    mine->begun++;
    if (loop->size == 0)
        return;
    run_share(loop, 0);
    for (waiting wait = {0}; mine->done < mine->size - 1;)
        wait_turn(&wait);
}

void pkm_team(pkm_team_body body, void *user)
{
    int threads = pkm_threads();
    team mine = {0};

    if (threads <= 1 || body_thread >= 0 || own_team != NULL) {
        body(user);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int thread = omp_get_thread_num();

        if (thread > 0) {
            serve(&mine, thread);
        } else {
            mine.size = omp_get_num_threads(); /* the system may grant fewer than asked for */
            own_team = &mine;
            body(user);
            own_team = NULL;
            team_loop(&mine, &(shared_loop){0});
        }
    }
}

void pkm_parallel(int64_t n_blocks, pkm_block_body body, void *user)
{
    int wanted = own_team != NULL ? own_team->size : pkm_threads();
    shared_loop loop = {n_blocks, body, user, (int)pkm_min_i64(wanted, n_blocks), {0}};

    if (loop.size <= 1 || body_thread >= 0) {
        run_blocks(&loop, 0, n_blocks, (int)pkm_max_i64(body_thread, 0));
        return;
    }
    (void)fegetenv(&loop.caller);
    if (own_team != NULL) {
        team_loop(own_team, &loop);
        return;
    }
#pragma omp parallel num_threads(loop.size)
    {
        shared_loop granted = loop;

        granted.size = omp_get_num_threads();
        run_share(&granted, omp_get_thread_num());
    }
}

const char *pkm_threads_runtime(void)
{
    Dl_info where;
    const char *slash;

    if (dladdr((const void *)omp_get_max_threads, &where) == 0 || where.dli_fname == NULL)
        return "OpenMP";
    slash = strrchr(where.dli_fname, '/');
    return slash == NULL ? where.dli_fname : slash + 1;
}

int pkm_threads_lend(int threads)
{
    int before = omp_get_max_threads();

    omp_set_num_threads(threads);
    return before;
}
