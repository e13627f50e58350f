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
#include <unistd.h>

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

static void run_blocks(int64_t first, int64_t last, int thread, pkm_block_body body, void *user)
{
    int outer = body_thread;

    body_thread = thread;
    for (int64_t block = first; block < last; block++)
        body(block, thread, user);
    body_thread = outer;
}

void pkm_parallel(int64_t n_blocks, pkm_block_body body, void *user)
{
    int team = (int)pkm_min_i64(pkm_threads(), n_blocks);
    fenv_t caller;

    if (team <= 1 || body_thread >= 0) {
        run_blocks(0, n_blocks, (int)pkm_max_i64(body_thread, 0), body, user);
        return;
    }
    (void)fegetenv(&caller);
#pragma omp parallel num_threads(team)
    {
        int thread = omp_get_thread_num();
        int size = omp_get_num_threads(); /* the system may grant fewer than asked for */

        (void)fesetenv(&caller);
        run_blocks(n_blocks * thread / size, n_blocks * (thread + 1) / size, thread, body, user);
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
