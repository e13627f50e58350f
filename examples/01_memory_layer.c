/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory layer on its own: it learns a table of random answers by heart, one for each of 512
 * questions. Create, forward, backward, step, usage.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pkm/memory.h"

enum { DIM = 32, QUESTIONS = 512, STEPS = 100 };

static void check(pkm_status status)
{
    if (status == PKM_OK)
        return;
    fprintf(stderr, "%s\n", pkm_last_error());
    exit(1);
}

static float uniform(void)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

/* Mean squared error of y against the answers, and its gradient. */
static double error(float *dy, const float *y, const float *answers)
{
    double sum = 0;

    for (int i = 0; i < QUESTIONS * DIM; i++) {
        float off = y[i] - answers[i];

        dy[i] = 2 * off / QUESTIONS;
        sum += (double)off * (double)off;
    }
    return sum / (QUESTIONS * DIM);
}

int main(void)
{
    static float questions[QUESTIONS * DIM], answers[QUESTIONS * DIM];
    static float y[QUESTIONS * DIM], dx[QUESTIONS * DIM], dy[QUESTIONS * DIM];
    const pkm_memory_config config = {
        .dim = DIM,
        .heads = 2,
        .n_keys = 32, /* 32 x 32 = 1024 slots */
        .key_dim = 16,
        .topk = 8,
        .query_norm = PKM_NORM_BATCH,
        .gate = PKM_GATE_SOFTMAX,
    };
    pkm_memory_options options;
    pkm_memory *memory = NULL;
    double first = 0, last = 0;
    pkm_usage usage;

    for (int i = 0; i < QUESTIONS * DIM; i++) {
        questions[i] = uniform();
        answers[i] = uniform();
    }
    pkm_memory_options_init(&options);
    options.max_tokens = QUESTIONS;
    options.value_lr = 0.05;
    check(pkm_memory_create(&memory, &config, &options, NULL));

    for (int step = 0; step < STEPS; step++) {
        check(pkm_memory_forward(memory, y, questions, QUESTIONS, NULL, true));
        last = error(dy, y, answers);
        first = step == 0 ? last : first;
        check(pkm_memory_backward(memory, dx, dy));
        check(pkm_memory_step(memory));
    }
    printf("mean squared error: %.3f before, %.3f after %d steps\n", first, last, STEPS);

    check(pkm_memory_usage_start(memory));
    check(pkm_memory_forward(memory, y, questions, QUESTIONS, NULL, false));
    pkm_memory_usage_stop(memory);
    check(pkm_memory_usage(memory, &usage, -1));
    printf("slots: %lld, read: %.0f %%, KL to uniform: %.2f, half of the mass on %.0f %%\n",
           (long long)usage.slots, 100 * usage.used, usage.kl, 100 * usage.top50);

    pkm_memory_destroy(memory);
    return last < first / 2 ? 0 : 1;
}
