/* SPDX-License-Identifier: Apache-2.0 */
/* The naive forms of the operations, in double: what each computes, written from its equation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/attention.h"
#include "ops/ops.h"
#include "support/check.h"
#include "support/memory_lookup_twin.h"
#include "support/twin.h"

static void linear_declare(twin *t)
{
    const int64_t *size = t->shape->size;
    pkm_linear_attr attr = {(pkm_weight_layout)size[2], size[4] ? PKM_F32 : t->compute,
                            size[5] == 1};
    bool in_out = size[2] == PKM_WEIGHT_IN_OUT;

    twin_input(t, "x", size[5] == 3 ? PKM_F32 : t->compute, size[0], 1);
    if (size[5] == 2)
        twin_input(t, "residual", PKM_F32, size[1], 1);
    if (size[5] == 3)
        t->in[t->n_in++] = t->in[0];
    twin_param(t, "weight", in_out ? size[0] : size[1], in_out ? size[1] : size[0], 0.5);
    if (size[3])
        twin_param(t, "bias", size[1], 0, 1);
    twin_attr(t, &attr, sizeof attr);
}

static double gelu(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static void linear_forward(const twin *t, double *out)
{
    int64_t n_in = t->shape->size[0], n_out = t->shape->size[1];
    bool in_out = t->shape->size[2] == PKM_WEIGHT_IN_OUT;

    for (int64_t row = 0; row < t->n_rows; row++)
        for (int64_t o = 0; o < n_out; o++) {
            double sum = t->n_param > 1 ? t->param_value[1][o] : 0;

            for (int64_t i = 0; i < n_in; i++)
                sum += t->in_value[0][row * n_in + i] *
                       t->param_value[0][in_out ? i * n_out + o : o * n_in + i];
            if (t->shape->size[5] >= 2)
                sum += t->in_value[t->shape->size[5] == 2][row * n_out + o];
            out[row * n_out + o] = t->shape->size[5] == 1 ? gelu(sum) : sum;
        }
}

static void layer_norm_declare(twin *t)
{
    int64_t dim = t->shape->size[0];
    pkm_layer_norm_attr attr = {1e-5f, t->compute};

    twin_input(t, "x", PKM_F32, dim, 2);
    twin_param(t, "gamma", dim, 0, 1);
    twin_param(t, "beta", dim, 0, 1);
    twin_attr(t, &attr, sizeof attr);
}

static void layer_norm_forward(const twin *t, double *out)
{
    int64_t dim = t->shape->size[0];

    for (int64_t row = 0; row < t->n_rows; row++) {
        const double *x = t->in_value[0] + row * dim;
        double mean = 0, variance = 0;

        for (int64_t i = 0; i < dim; i++)
            mean += x[i] / (double)dim;
        for (int64_t i = 0; i < dim; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (double)dim;
        for (int64_t i = 0; i < dim; i++)
            out[row * dim + i] =
                (x[i] - mean) / sqrt(variance + 1e-5) * t->param_value[0][i] + t->param_value[1][i];
    }
}

static void add_declare(twin *t)
{
    const int64_t *size = t->shape->size;
    pkm_add_attr attr = {(float)size[2] / 100};

    twin_input(t, "a", PKM_F32, size[0], 1);
    twin_input(t, "b", size[1] ? t->compute : PKM_F32, size[0], 1);
    twin_attr(t, &attr, sizeof attr);
}

static void add_forward(const twin *t, double *out)
{
    double p = (double)t->shape->size[2] / 100;
    int64_t width = t->shape->size[0];

    for (int64_t i = 0; i < t->n_rows * width; i++)
        out[i] = t->in_value[0][i] +
                 t->in_value[1][i] * twin_dropout(t, p, (uint64_t)(t->run.first_row * width + i));
}

static void embed_declare(twin *t)
{
    const int64_t *size = t->shape->size;
    pkm_embed_attr attr = {(float)size[3] / 100};

    twin_index(t, "ids", 0, (int32_t)size[1]);
    twin_index(t, "position", 0, (int32_t)size[2]);
    twin_param(t, "wte", size[1], size[0], 1);
    twin_param(t, "wpe", size[2], size[0], 1);
    twin_attr(t, &attr, sizeof attr);
}

static void embed_forward(const twin *t, double *out)
{
    double p = (double)t->shape->size[3] / 100;
    int64_t dim = t->shape->size[0];

    for (int64_t i = 0; i < t->n_rows * dim; i++) {
        int64_t row = i / dim, column = i % dim;

        out[i] = (t->param_value[0][t->index[0][row] * dim + column] +
                  t->param_value[1][t->index[1][row] * dim + column]) *
                 twin_dropout(t, p, (uint64_t)(t->run.first_row * dim + i));
    }
}

static void cross_entropy_declare(twin *t)
{
    const int64_t *size = t->shape->size;

    twin_input(t, "x", t->compute, size[0], 1);
    twin_index(t, "targets", -1, (int32_t)size[1]);
    twin_param(t, "wte", size[1], size[0], 0.5);
    t->index[1][t->shape->n_rows / 2] = -1;
    t->index[1][0] = (int32_t)size[1] - 1;
}

static void cross_entropy_forward(const twin *t, double *out)
{
    int64_t dim = t->shape->size[0], vocabulary = t->shape->size[1];

    for (int64_t row = 0; row < t->n_rows; row++) {
        int32_t target = t->index[1][row];
        double sum = 0, wanted = 0;

        for (int64_t v = 0; v < vocabulary; v++) {
            double logit = 0;

            for (int64_t i = 0; i < dim; i++)
                logit += t->in_value[0][row * dim + i] * t->param_value[0][v * dim + i];
            sum += exp(logit);
            wanted = v == target ? logit : wanted;
        }
        out[row] = target < 0 ? 0 : log(sum) - wanted;
    }
}

/* Sequences of up to size[2] rows: the longest first, then shorter ones. */
static void attention_declare(twin *t)
{
    const int64_t *size = t->shape->size;
    pkm_attention_attr attr = {
        .n_heads = size[0], .seq_len = size[2], .dropout = (float)size[3] / 100};
    int64_t length = size[2], row = 0;

    twin_input(t, "qkv", t->compute, 3 * size[0] * size[1], 1);
    twin_index(t, "sequence", 0, 1);
    twin_index(t, "position", 0, 1);
    for (int32_t sequence = 0; row < t->shape->n_rows; sequence++) {
        for (int64_t i = 0; i < length && row < t->shape->n_rows; i++, row++) {
            t->index[1][row] = sequence;
            t->index[2][row] = (int32_t)i;
        }
        length = length > 2 ? length - 1 : 1;
    }
    twin_attr(t, &attr, sizeof attr);
}

/* One query of one head: probabilities over the keys up to it, then the weighted values. */
static void attention_query(const twin *t, double *out, int64_t row, int64_t head)
{
    int64_t heads = t->shape->size[0], dim = t->shape->size[1], width = 3 * heads * dim;
    int64_t first = row - t->index[2][row], longest = t->shape->size[2];
    const double *qkv = t->in_value[0];
    double p = (double)t->shape->size[3] / 100, sum = 0;
    uint64_t draw = (uint64_t)(((t->run.first_row + row) * heads + head) * longest); /* of key 0 */

    memset(out, 0, (size_t)dim * sizeof *out);
    for (int64_t key = first; key <= row; key++) {
        double score = 0, power;

        for (int64_t i = 0; i < dim; i++)
            score +=
                qkv[row * width + head * dim + i] * qkv[key * width + (heads + head) * dim + i];
        power = exp(score / sqrt((double)dim));
        sum += power;
        power *= twin_dropout(t, p, draw + (uint64_t)(key - first));
        for (int64_t i = 0; i < dim; i++)
            out[i] += power * qkv[key * width + (2 * heads + head) * dim + i];
    }
    for (int64_t i = 0; i < dim; i++)
        out[i] /= sum;
}

static void attention_forward(const twin *t, double *out)
{
    int64_t heads = t->shape->size[0], dim = t->shape->size[1];

    for (int64_t row = 0; row < t->n_rows; row++)
        for (int64_t head = 0; head < heads; head++)
            attention_query(t, out + (row * heads + head) * dim, row, head);
}

const twin_row twin_rows[] = {
    {"embed", embed_declare, embed_forward, NULL},
    {"layer_norm", layer_norm_declare, layer_norm_forward, NULL},
    {"linear", linear_declare, linear_forward, NULL},
    {"attention", attention_declare, attention_forward, NULL},
    {"add", add_declare, add_forward, NULL},
    {"cross_entropy", cross_entropy_declare, cross_entropy_forward, NULL},
    {"memory_lookup", memory_lookup_declare, memory_lookup_forward, memory_lookup_release},
};

const int n_twin_rows = sizeof twin_rows / sizeof twin_rows[0];
