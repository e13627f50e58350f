/* SPDX-License-Identifier: Apache-2.0 */
#include "support/memory_twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "support/check.h"

void memory_twin_init(memory_twin *out, const pkm_memory *memory, const pkm_memory_config *config)
{
    *out = (memory_twin){.config = *config, .n_tensors = pkm_memory_tensor_count(memory)};
    if (config->value_dim == 0)
        out->config.value_dim = config->dim;
    for (int i = 0; i < out->n_tensors; i++) {
        twin_tensor *tensor = &out->tensors[i];
        pkm_memory_tensor from;

        check_ok(pkm_memory_tensor_at(memory, &from, i));
        tensor->name = from.name;
        tensor->count = 1;
        for (int d = 0; d < from.n_dims; d++)
            tensor->count *= from.dims[d];
        tensor->data = malloc((size_t)tensor->count * sizeof(double));
        for (int64_t k = 0; k < tensor->count; k++)
            tensor->data[k] = from.dtype == PKM_F32
                                  ? (double)((const float *)from.data)[k]
                                  : (double)pkm_bf16_to_f32(((const uint16_t *)from.data)[k]);
    }
}

void memory_twin_release(memory_twin *twin)
{
    for (int i = 0; i < twin->n_tensors; i++)
        free(twin->tensors[i].data);
}

twin_tensor *memory_twin_find(memory_twin *twin, const char *name)
{
    for (int i = 0; i < twin->n_tensors; i++)
        if (strcmp(twin->tensors[i].name, name) == 0)
            return &twin->tensors[i];
    return NULL;
}

static const double *data_of(memory_twin *twin, const char *name)
{
    return memory_twin_find(twin, name)->data;
}

/* out [n_out] = W [n_out, n_in] in + bias */
static void linear(double *out, const double *in, const double *weight, const double *bias,
                   int64_t n_out, int64_t n_in)
{
    for (int64_t o = 0; o < n_out; o++) {
        out[o] = bias[o];
        for (int64_t i = 0; i < n_in; i++)
            out[o] += weight[o * n_in + i] * in[i];
    }
}

static bool is_real(const unsigned char *mask, int64_t row)
{
    return mask == NULL || mask[row] != 0;
}

/* (v - mean) / sqrt(variance + eps) over `count` values `stride` apart, of real rows if masked. */
static void standardise(double *v, int64_t count, int64_t stride, const unsigned char *mask)
{
    double n = 0, mean = 0, variance = 0;

    for (int64_t i = 0; i < count; i++)
        if (is_real(mask, i)) {
            mean += v[i * stride];
            n++;
        }
    mean /= n;
    for (int64_t i = 0; i < count; i++)
        if (is_real(mask, i))
            variance += (v[i * stride] - mean) * (v[i * stride] - mean) / n;
    for (int64_t i = 0; i < count; i++)
        v[i * stride] = (v[i * stride] - mean) / sqrt(variance + 1e-5);
}

static void normalise(memory_twin *twin, double *q, int64_t n_tokens, const unsigned char *mask,
                      bool train)
{
    const pkm_memory_config *c = &twin->config;
    int64_t width = c->heads * c->key_dim, half = c->key_dim / 2, n_real = 0;

    for (int64_t row = 0; row < n_tokens; row++)
        n_real += is_real(mask, row);
    for (int64_t row = 0; row < n_tokens && c->query_norm == PKM_NORM_LAYER; row++)
        for (int64_t at = 0; at < width; at += half)
            standardise(q + row * width + at, half, 1, NULL);
    for (int64_t f = 0; f < width && c->query_norm == PKM_NORM_BATCH; f++) {
        if (train && n_real > 1) {
            standardise(q + f, n_tokens, width, mask);
            continue;
        }
        for (int64_t row = 0; row < n_tokens; row++)
            q[row * width + f] =
                (q[row * width + f] - data_of(twin, "query_norm.running_mean")[f]) /
                sqrt(data_of(twin, "query_norm.running_var")[f] + 1e-5);
    }
    for (int64_t i = 0; i < n_tokens * width && c->query_norm != PKM_NORM_NONE; i++)
        q[i] = q[i] * data_of(twin, "query_norm.weight")[i % width] +
               data_of(twin, "query_norm.bias")[i % width];
}

static double score_of(memory_twin *twin, const double *q, int64_t head, int64_t slot)
{
    const pkm_memory_config *c = &twin->config;
    const double *keys = data_of(twin, "keys");
    int64_t n = c->n_keys, half = c->key_dim / 2;
    const double *key1 = keys + (head * 2 * n + slot / n) * half;
    const double *key2 = keys + (head * 2 * n + n + slot % n) * half;
    double sum = 0;

    if (c->key_kind == PKM_KEYS_FLAT) { /* the halves of one key */
        key1 = keys + (head * n * n + slot) * 2 * half;
        key2 = key1 + half;
    }
    for (int64_t d = 0; d < half; d++)
        sum += q[d] * key1[d] + q[half + d] * key2[d];
    return sum;
}

/* Adds one head's part to r [value_dim]: all slots scored, the best taken out one by one. */
static void read_head(memory_twin *twin, double *r, const double *q, int64_t head)
{
    const pkm_memory_config *c = &twin->config;
    const double *values = data_of(twin, "values");
    int64_t slots = c->n_keys * c->n_keys;
    double *score = malloc((size_t)slots * sizeof(double));
    double best[64], sum = 0;
    int64_t id[64];

    for (int64_t s = 0; s < slots; s++)
        score[s] = score_of(twin, q, head, s);
    for (int64_t k = 0; k < c->topk; k++) {
        id[k] = 0;
        for (int64_t s = 1; s < slots; s++)
            if (score[s] > score[id[k]])
                id[k] = s;
        best[k] = score[id[k]];
        score[id[k]] = -INFINITY;
        sum += exp(best[k] - best[0]);
    }
    for (int64_t k = 0; k < c->topk; k++) {
        double w = c->gate == PKM_GATE_SOFTMAX ? exp(best[k] - best[0]) / sum
                   : c->gate == PKM_GATE_RELU  ? fmax(best[k], 0)
                                               : best[k];

        for (int64_t d = 0; d < c->value_dim; d++)
            r[d] += w * values[id[k] * c->value_dim + d];
    }
    free(score);
}

static void output(memory_twin *twin, double *y, double *r, const double *x)
{
    const pkm_memory_config *c = &twin->config;
    double *gate = malloc((size_t)c->value_dim * sizeof(double));

    if (c->output_gate == PKM_OUTPUT_GATE_SWILU) {
        linear(gate, x, data_of(twin, "swilu.weight"), data_of(twin, "swilu.bias"), c->value_dim,
               c->dim);
        for (int64_t d = 0; d < c->value_dim; d++)
            r[d] *= gate[d] / (1 + exp(-gate[d]));
    }
    if (memory_twin_find(twin, "value_proj.weight") != NULL)
        linear(y, r, data_of(twin, "value_proj.weight"), data_of(twin, "value_proj.bias"), c->dim,
               c->value_dim);
    else
        memcpy(y, r, (size_t)c->dim * sizeof(double));
    free(gate);
}

void memory_twin_forward(memory_twin *twin, double *y, const double *x, int64_t n_tokens,
                         const unsigned char *mask, bool train)
{
    const pkm_memory_config *c = &twin->config;
    int64_t width = c->heads * c->key_dim;
    double *q = calloc((size_t)(n_tokens * width), sizeof(double));
    double *r = calloc((size_t)(n_tokens * c->value_dim), sizeof(double));

    for (int64_t row = 0; row < n_tokens; row++)
        linear(q + row * width, x + row * c->dim, data_of(twin, "query.weight"),
               data_of(twin, "query.bias"), width, c->dim);
    normalise(twin, q, n_tokens, mask, train);
    memset(y, 0, (size_t)(n_tokens * c->dim) * sizeof(double));
    for (int64_t row = 0; row < n_tokens; row++) {
        if (!is_real(mask, row))
            continue;
        for (int64_t head = 0; head < c->heads; head++)
            read_head(twin, r + row * c->value_dim, q + row * width + head * c->key_dim, head);
        output(twin, y + row * c->dim, r + row * c->value_dim, x + row * c->dim);
    }
    free(q);
    free(r);
}

static double loss(memory_twin *twin, const double *dy, const double *x, int64_t n_tokens,
                   const unsigned char *mask)
{
    int64_t count = n_tokens * twin->config.dim;
    double *y = malloc((size_t)count * sizeof(double)), sum = 0;

    memory_twin_forward(twin, y, x, n_tokens, mask, true);
    for (int64_t i = 0; i < count; i++)
        sum += dy[i] * y[i];
    free(y);
    return sum;
}

double memory_twin_slope(memory_twin *twin, double *number, const double *dy, const double *x,
                         int64_t n_tokens, const unsigned char *mask)
{
    const double step = 1e-6, at = *number;
    double above, below;

    *number = at + step;
    above = loss(twin, dy, x, n_tokens, mask);
    *number = at - step;
    below = loss(twin, dy, x, n_tokens, mask);
    *number = at;
    return (above - below) / (2 * step);
}
