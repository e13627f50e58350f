/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/gate.h"

#include <math.h>

#include "base/size.h"
#include "base/threads.h"

enum { BLOCK_ROWS = 256 };

typedef struct gate_pass {
    float *values; /* scores -> weights, or dweights -> dscores */
    const float *weights;
    int64_t n_rows, topk;
    pkm_gate gate;
} gate_pass;

static void softmax_row(float *s, int64_t topk)
{
    float best = s[0], sum = 0;

    for (int64_t i = 0; i < topk; i++) {
        s[i] = expf(s[i] - best);
        sum += s[i];
    }
    for (int64_t i = 0; i < topk; i++)
        s[i] /= sum;
}

static void forward_block(int64_t block, int thread, void *user)
{
    const gate_pass *pass = user;
    int64_t last = pkm_min_i64((block + 1) * BLOCK_ROWS, pass->n_rows), topk = pass->topk;

    (void)thread;
    if (pass->gate == PKM_GATE_SOFTMAX)
        for (int64_t row = block * BLOCK_ROWS; row < last; row++)
            softmax_row(pass->values + row * topk, topk);
    if (pass->gate == PKM_GATE_RELU)
        for (int64_t i = block * BLOCK_ROWS * topk; i < last * topk; i++)
            pass->values[i] = pass->values[i] > 0 ? pass->values[i] : 0;
}

void pkm_gate_forward(pkm_gate gate, float *scores, int64_t n_rows, int64_t topk)
{
    gate_pass pass = {.values = scores, .n_rows = n_rows, .topk = topk, .gate = gate};

    pkm_parallel(pkm_ceil_div(n_rows, BLOCK_ROWS), forward_block, &pass);
}

static void softmax_row_backward(float *d, const float *w, int64_t topk)
{
    float mean = 0;

    for (int64_t i = 0; i < topk; i++)
        mean += w[i] * d[i];
    for (int64_t i = 0; i < topk; i++)
        d[i] = w[i] * (d[i] - mean);
}

static void backward_block(int64_t block, int thread, void *user)
{
    const gate_pass *pass = user;
    int64_t last = pkm_min_i64((block + 1) * BLOCK_ROWS, pass->n_rows), topk = pass->topk;

    (void)thread;
    if (pass->gate == PKM_GATE_SOFTMAX)
        for (int64_t row = block * BLOCK_ROWS; row < last; row++)
            softmax_row_backward(pass->values + row * topk, pass->weights + row * topk, topk);
    if (pass->gate == PKM_GATE_RELU)
        for (int64_t i = block * BLOCK_ROWS * topk; i < last * topk; i++)
            pass->values[i] = pass->weights[i] > 0 ? pass->values[i] : 0;
}

void pkm_gate_backward(pkm_gate gate, float *dweights, const float *weights, int64_t n_rows,
                       int64_t topk)
{
    gate_pass pass = {
        .values = dweights, .weights = weights, .n_rows = n_rows, .topk = topk, .gate = gate};

    pkm_parallel(pkm_ceil_div(n_rows, BLOCK_ROWS), backward_block, &pass);
}
