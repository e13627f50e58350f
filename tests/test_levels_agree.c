/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instruction sets agree within the tolerance of docs/numerics.md: the losses of 20 steps of
 * training, the logits of one model, and its greedy text. Each level (PKM_ISA) is a process of its
 * own: this program again, which leaves its figures in a file. PKM_OTHER_BUILD may name this test
 * of another build (build/ref/tests/test_levels_agree) as one more level.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/file.h"
#include "support/check.h"
#include "support/greedy.h"

enum { STEPS = 20, PRECISIONS = 2 };

/* Bounds of the differences from the level `ref`, by pkm_dtype. */
static const struct {
    double loss, logit;
} tolerance[PRECISIONS] = {{1e-5, 5e-5}, {2e-2, 2e-2}};
static const char *const precision_name[PRECISIONS] = {"f32", "bf16"};

typedef struct level_figures {
    double loss[PRECISIONS][STEPS];
    float logits[PRECISIONS][GREEDY_PROMPTS][GREEDY_VOCAB]; /* after the prompt */
    greedy_text text[PRECISIONS][GREEDY_PROMPTS];
} level_figures;

static small_world world;
static char program[4096];

/* The child's part: computes everything at the level of the environment. */
static int write_figures(const char *dir, const char *label)
{
    small_world here = {.dir = (char *)(uintptr_t)dir};
    level_figures *figures = calloc(1, sizeof *figures);
    char *path, name[64];

    here.data = small_world_run(&here, "data");
    for (int p = 0; p < PRECISIONS; p++) {
        const char *options[] = {"steps",      "20", "precision", precision_name[p],
                                 "eval_every", "0",  NULL};
        pkm_model *model = greedy_load(&here, "memory", (pkm_dtype)p);

        snprintf(name, sizeof name, "%s-%s", label, precision_name[p]);
        check_ok(small_train(&here, name, false, 0, options));
        for (int step = 0; step < STEPS; step++)
            figures->loss[p][step] = small_run_logged(&here, name, step, "loss");
        for (int prompt = 0; prompt < GREEDY_PROMPTS; prompt++)
            greedy_decode(model, prompt, figures->logits[p][prompt], &figures->text[p][prompt]);
        pkm_model_destroy(model);
    }
    path = small_world_run(&here, label);
    check_ok(pkm_file_write(path, (const char *)figures, sizeof *figures));
    pkm_free(path);
    pkm_free(here.data);
    free(figures);
    return 0;
}

/* Runs `binary` at a level and reads what it wrote. */
static void run_level(level_figures *out, const char *binary, const char *level, const char *label)
{
    char *figures;
    size_t bytes;
    int status;
    pid_t child;

    assert_int_equal(setenv("PKM_ISA", level, 1), 0);
    child = fork();
    if (child == 0) {
        (void)execl(binary, binary, world.dir, label, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        fail_msg("%s at level %s ended with status %d", binary, level, status);
    figures = small_run_file(&world, ".", label, &bytes);
    assert_int_equal(bytes, sizeof *out);
    memcpy(out, figures, sizeof *out);
    pkm_free(figures);
}

static void compare(const level_figures *got, const level_figures *want, const char *label)
{
    for (int p = 0; p < PRECISIONS; p++) {
        double loss = 0, logit = 0;
        int same = 0;

        for (int step = 0; step < STEPS; step++)
            loss = fmax(loss, fabs(got->loss[p][step] - want->loss[p][step]));
        for (int prompt = 0; prompt < GREEDY_PROMPTS; prompt++) {
            for (int id = 0; id < GREEDY_VOCAB; id++)
                logit = fmax(logit, fabs((double)got->logits[p][prompt][id] -
                                         (double)want->logits[p][prompt][id]));
            same += greedy_compare(&got->text[p][prompt], &want->text[p][prompt],
                                   tolerance[p].logit, label);
        }
        print_message("%-11s %-4s  loss %.1e  logit %.1e  same tokens %d of %d\n", label,
                      precision_name[p], loss, logit, same, GREEDY_PROMPTS * GREEDY_TOKENS);
        if (!(loss <= tolerance[p].loss && logit <= tolerance[p].logit))
            fail_msg("%s, %s: losses differ by %g, logits by %g: allowed are %g and %g", label,
                     precision_name[p], loss, logit, tolerance[p].loss, tolerance[p].logit);
        assert_true(2 * same >= GREEDY_PROMPTS * GREEDY_TOKENS);
    }
}

static void test_levels_agree(void **state)
{
    static level_figures reference, figures;
    const char *other = getenv("PKM_OTHER_BUILD");

    (void)state;
    run_level(&reference, program, "ref", "ref");
    for (int level = PKM_ISA_REF + 1; level <= (int)pkm_isa_detected(); level++) {
        const char *name = pkm_isa_name((pkm_isa)level);

        if (level == PKM_ISA_NEON && level != (int)pkm_isa_detected())
            continue; /* another architecture's */
        run_level(&figures, program, name, name);
        compare(&figures, &reference, name);
    }
    if (other != NULL) {
        run_level(&figures, other, "ref", "other");
        compare(&figures, &reference, "other build");
    }
}

static int create_world(void **state)
{
    (void)state;
    small_world_create(&world);
    greedy_train(&world, "memory");
    return 0;
}

static int destroy_world(void **state)
{
    (void)state;
    small_world_destroy(&world);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels_agree)};

    if (argc == 3)
        return write_figures(argv[1], argv[2]);
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return 1;
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
