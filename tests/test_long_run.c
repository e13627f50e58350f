/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, file handles and mappings stay as they are while a training runs, evaluations and
 * checkpoints included; its log has every step once.
 *
 *   test_long_run [STEPS]     1,000 steps unless told otherwise
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "support/check.h"
#include "support/faults.h"
#include "support/run.h"

#ifdef __SANITIZE_ADDRESS__
enum { MOST_GROWTH_KB = 1 << 20 }; /* what is freed stays in quarantine */
#else
enum { MOST_GROWTH_KB = 1024 };
#endif

static int steps = 1000;

typedef struct sample {
    long resident_kb;
    fault_holdings holdings;
} sample;

static small_world world;

static long resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int first_sample(void)
{
    return steps > 2000 ? steps / 20 : 100;
}

/* Takes samples[0] after a twentieth of the steps and a few evaluations and checkpoints, samples[1]
 * at the end. */
static int watch(const pkm_train_event *event, void *user)
{
    sample *samples = user;

    if (event->kind == PKM_EVENT_STEP && (event->step == first_sample() || event->step == steps))
        samples[event->step == steps] = (sample){resident_kb(), faults_holdings(world.dir)};
    return 0;
}

/* Each step once and in order, whatever is told between. */
static void check_log(void)
{
    size_t bytes;
    char *log = small_run_file(&world, "long", "metrics.jsonl", &bytes);
    json_int_t done = 0;

    for (char *line = log; *line != '\0'; line += strcspn(line, "\n") + 1) {
        json_t *object = json_loadb(line, strcspn(line, "\n"), 0, NULL);
        json_int_t step = json_integer_value(json_object_get(object, "step"));

        if (json_object_get(object, "loss") != NULL)
            assert_int_equal(step, ++done);
        json_decref(object);
    }
    assert_int_equal(done, steps);
    pkm_free(log);
}

static void test_nothing_grows(void **state)
{
    char steps_text[16];
    const char *const options[] = {"steps", steps_text,    "eval_every", "50", "checkpoint_every",
                                   "50",    "eval_tokens", "100",        NULL};
    sample samples[2] = {0};
    char *out;

    (void)state;
    snprintf(steps_text, sizeof steps_text, "%d", steps);
    small_world_create(&world);
    out = small_world_run(&world, "long");
    check_ok(small_train_watched(&world, out, false, watch, samples, options));
    for (int i = 0; i < 2; i++)
        print_message("step %d: %ld KiB resident, %lld blocks, %d file handles, %d mappings\n",
                      i == 0 ? first_sample() : steps, samples[i].resident_kb,
                      (long long)samples[i].holdings.blocks, samples[i].holdings.files,
                      samples[i].holdings.maps);
    assert_int_equal(samples[1].holdings.blocks, samples[0].holdings.blocks);
    assert_int_equal(samples[1].holdings.files, samples[0].holdings.files);
    assert_int_equal(samples[1].holdings.maps, samples[0].holdings.maps);
    assert_true(samples[1].resident_kb - samples[0].resident_kb <= MOST_GROWTH_KB);
    check_log();
    pkm_free(out);
    small_world_destroy(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_grows)};

    if (argc > 1)
        steps = atoi(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
