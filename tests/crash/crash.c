/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills real work with SIGKILL and looks at what is left.
 *
 *   crash [--kills N] [--seed S] [--from TRIAL]
 *
 * A trial starts with a kill at a marked point of one kind of work (work.h), before a call of the
 * file system, which is after the one before it, or in the middle of a write; every fifth one at a
 * random time of a training. The process that takes over may be killed too, and may have another
 * number of threads. After every kill, everything under a final name is compared with what a
 * process made that was left alone, the published model is loaded, and no announced checkpoint may
 * be lost. At the end of a trial the whole folder, log included, is compared. --from goes on with a
 * later trial of the same seed.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/size.h"
#include "crash/kill_table.h"
#include "crash/work.h"
#include "support/check.h"
#include "support/same_tree.h"

enum { PATH_BYTES = 4096, MAX_DEATHS = 4, KEEP = 2, KEEP_ALL = 1000 };

/* How a process dies: at a call (0: none), or after a time (0: never). */
typedef struct death {
    uint32_t call;
    bool torn; /* in the middle of it */
    uint64_t after_ns;
} death;

/* A marked point: a kind of work, and the call its process dies at. */
typedef struct mark {
    work_kind kind;
    death end;
} mark;

/* What parent and children share. */
typedef struct shared {
    kill_calls calls;
    work_report report;
    char dir[PATH_BYTES]; /* of the world */
} shared;

/* What is known of a kind from processes that were left alone. */
typedef struct kind_facts {
    char all[PATH_BYTES];   /* the output, every checkpoint kept */
    char usual[PATH_BYTES]; /* the output */
    uint64_t ns;            /* it took */
} kind_facts;

typedef struct crash_test {
    shared *shared;
    small_world world;
    kind_facts facts[WORK_KINDS];
    mark *marks;
    uint32_t n_marks;
    pkm_rng rng;
    uint64_t draws;
    int64_t kills;
} crash_test;

static uint32_t draw(crash_test *test, uint32_t below)
{
    return pkm_rng_u32(&test->rng, test->draws++) % below;
}

/* A child process that makes the world, since the parent must not start threads before it forks. */
static void make_world(crash_test *test)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        small_world_create(&test->world);
        snprintf(test->shared->dir, PATH_BYTES, "%s", test->world.dir);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        exit(1);
    test->world.dir = strdup(test->shared->dir);
    test->world.data = malloc(PATH_BYTES);
    if (test->world.dir == NULL || test->world.data == NULL)
        exit(1);
    snprintf(test->world.data, PATH_BYTES, "%s/data", test->world.dir);
}

static void sleep_ns(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        ;
}

static void be_child(crash_test *test, work_kind kind, const char *out, int threads, int keep,
                     const death *end)
{
    pkm_status status = work_load(kind, out);

    kill_table_install(&test->shared->calls, end->call, end->torn);
    if (status == PKM_OK)
        status = work_do(kind, &test->world, out, threads, keep, &test->shared->report);
    if (status != PKM_OK)
        fprintf(stderr, "%s: %s\n", pkm_status_name(status), pkm_last_error());
    _exit(status == PKM_OK ? 0 : 1);
}

/* Lets a process work on `out`; true if it was killed, false if it came to its end. */
static bool work(crash_test *test, work_kind kind, const char *out, int threads, int keep,
                 const death *end)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        be_child(test, kind, out, threads, keep, end);
    if (pid < 0)
        exit(1);
    if (end->after_ns > 0) {
        sleep_ns(end->after_ns);
        (void)kill(pid, SIGKILL);
    }
    if (waitpid(pid, &status, 0) < 0)
        exit(1);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "crash: %s: status %d; see %s\n", work_name(kind), status, out);
        exit(1);
    }
    return false;
}

static bool is_idle(const char *call)
{
    return strcmp(call, "read") == 0 || strcmp(call, "map") == 0 || strcmp(call, "space") == 0;
}

/* Every call but those that change nothing, and for every write also its middle. Both trainings
 * make the same calls: each takes every other one. */
static void mark_calls(crash_test *test, work_kind kind)
{
    const kill_calls *calls = &test->shared->calls;
    size_t most = test->n_marks + 2 * (size_t)calls->count;

    test->marks = realloc(test->marks, most * sizeof *test->marks);
    if (test->marks == NULL || calls->count > KILL_MAX_CALLS)
        exit(1);
    for (uint32_t call = 1; call <= calls->count; call++) {
        const char *name = calls->names[call - 1];
        bool mine = kind < WORK_F32 || call % 2 == (kind == WORK_F32);

        if (mine && !is_idle(name))
            test->marks[test->n_marks++] = (mark){kind, {.call = call}};
        if (mine && strcmp(name, "write") == 0)
            test->marks[test->n_marks++] = (mark){kind, {.call = call, .torn = true}};
    }
}

static void learn_kind(crash_test *test, work_kind kind)
{
    kind_facts *facts = &test->facts[kind];
    const death never = {0};
    uint64_t start;

    snprintf(facts->all, PATH_BYTES, "%s/all-%s", test->world.dir, work_name(kind));
    snprintf(facts->usual, PATH_BYTES, "%s/usual-%s", test->world.dir, work_name(kind));
    (void)work(test, kind, facts->all, 1, KEEP_ALL, &never);
    start = pkm_clock_ns();
    (void)work(test, kind, facts->usual, 2, KEEP, &never);
    facts->ns = pkm_clock_ns() - start;
    mark_calls(test, kind);
    printf("%s: %u calls of the file system in %.2f s\n", work_name(kind),
           test->shared->calls.count, (double)facts->ns * 1e-9);
}

/* How many trials before this one began with a marked point. */
static int64_t marked_trials(int64_t trial)
{
    return trial - trial / 5;
}

/* What a trial begins with: a marked point, each in its turn; every fifth time training and a
 * random time. */
static mark choose_mark(crash_test *test, int64_t trial)
{
    const pkm_rng order = {.seed = test->rng.seed, .stream = 1};
    work_kind kind = draw(test, 2) == 0 ? WORK_F32 : WORK_BF16;
    uint64_t turn = (uint64_t)marked_trials(trial) % test->n_marks;

    if (trial % 5 == 4)
        return (mark){kind, {.after_ns = 1 + test->facts[kind].ns * draw(test, 1000) / 1000}};
    return test->marks[pkm_rng_permute(&order, turn, test->n_marks)];
}

/* How the process that takes over dies: at some call, at some time or, in most cases, not. */
static death choose_death(crash_test *test, work_kind kind, int deaths)
{
    uint64_t time = 1 + test->facts[kind].ns * draw(test, 1000) / 1000;
    const mark *point = &test->marks[draw(test, test->n_marks)];

    switch (deaths < MAX_DEATHS ? draw(test, 4) : 3) {
    case 0:
        return (death){.after_ns = time};
    case 1:
        return point->end;
    default:
        return (death){0};
    }
}

static void describe(char text[64], const crash_test *test, const death *end)
{
    if (end->call > 0)
        snprintf(text, 64, "%s call %u (%s)", end->torn ? "within" : "before", end->call,
                 test->shared->calls.names[end->call - 1]);
    else
        snprintf(text, 64, "after %.3f s", (double)end->after_ns * 1e-9);
}

/* Everything under a final name is whole, and no checkpoint that was announced is lost. */
static bool is_sound(const crash_test *test, work_kind kind, const char *out, int64_t saved)
{
    const work_report *report = &test->shared->report;

    if (report->started >= 0 && report->started < saved) {
        fprintf(stderr, "step %lld was announced as saved, but work went on from step %lld\n",
                (long long)saved, (long long)report->started);
        return false;
    }
    return work_is_sound(kind, out, test->facts[kind].all);
}

static void run_trial(crash_test *test, int64_t trial)
{
    mark first = choose_mark(test, trial);
    work_report *report = &test->shared->report;
    char out[PATH_BYTES], how[64] = "";
    bool killed = true, good = true;

    snprintf(out, sizeof out, "%s/trial-%lld", test->world.dir, (long long)trial);
    *report = (work_report){0};
    for (int deaths = 0; good && killed; deaths++) {
        death end = deaths == 0 ? first.end : choose_death(test, first.kind, deaths);
        int64_t saved = report->saved;

        report->started = -1;
        killed = work(test, first.kind, out, 1 + (int)draw(test, 2), KEEP, &end);
        test->kills += killed;
        if (killed)
            describe(how, test, &end);
        good = is_sound(test, first.kind, out, saved);
    }
    if (!good || !same_tree(test->facts[first.kind].usual, out, true)) {
        fprintf(stderr, "crash: trial %lld, %s, last killed %s: see %s\n", (long long)trial,
                work_name(first.kind), how, out);
        exit(1);
    }
    check_ok(pkm_directory_remove(out));
}

/* Trials until there were enough kills, and every marked point had its turn if there can be so
 * many. */
static void run_trials(crash_test *test, int64_t wanted, int64_t from)
{
    int64_t all_marks = wanted < test->n_marks ? 0 : test->n_marks, trial = from, told = 0;

    for (; test->kills < wanted || marked_trials(trial) < all_marks; trial++) {
        test->rng.step = (uint32_t)trial;
        test->draws = 0;
        run_trial(test, trial);
        if (test->kills >= told + 50) {
            told = test->kills;
            printf("%lld kills of %lld; next trial %lld\n", (long long)told, (long long)wanted,
                   (long long)trial + 1);
        }
    }
    printf("%lld kills in %lld trials, %lld of %u marked points: every result the same\n",
           (long long)test->kills, (long long)(trial - from),
           (long long)pkm_min_i64(marked_trials(trial), test->n_marks), test->n_marks);
}

/* The number after an option; exits if it is none. */
static int64_t number(const char *text)
{
    char *end;
    long long value = text != NULL ? strtoll(text, &end, 10) : 0;

    if (text == NULL || end == text || *end != '\0' || value < 0) {
        fprintf(stderr, "usage: crash [--kills N] [--seed S] [--from TRIAL]\n");
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    int64_t kills = 40, seed = 1, from = 0;
    crash_test test = {0};

    for (int i = 1; i < argc; i += 2) {
        int64_t value = number(argv[i + 1]);

        if (strcmp(argv[i], "--kills") == 0)
            kills = value;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = value;
        else if (strcmp(argv[i], "--from") == 0)
            from = value;
        else
            (void)number(NULL);
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    test.rng.seed = (uint64_t)seed;
    test.shared =
        mmap(NULL, sizeof *test.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (test.shared == MAP_FAILED)
        return 1;
    make_world(&test);
    for (work_kind kind = 0; kind < WORK_KINDS; kind++)
        learn_kind(&test, kind);
    run_trials(&test, kills, from);
    small_world_destroy(&test.world);
    free(test.marks);
    munmap(test.shared, sizeof *test.shared);
    return 0;
}
