/* SPDX-License-Identifier: Apache-2.0 */
#include "support/twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/rng.h"
#include "support/check.h"

/* What the test's own operation weights its inputs with. */
typedef struct weighted_attr {
    const double *weight[2]; /* [rows, width] of each input */
} weighted_attr;

static pkm_status weighted_shape(pkm_node *node)
{
    node->out->dtype = PKM_F32;
    return PKM_OK;
}

static double element(const void *data, pkm_dtype dtype, int64_t at)
{
    return dtype == PKM_BF16 ? (double)pkm_bf16_to_f32(((const uint16_t *)data)[at])
                             : (double)((const float *)data)[at];
}

static void set_element(void *data, pkm_dtype dtype, int64_t at, double value)
{
    if (dtype == PKM_BF16)
        ((uint16_t *)data)[at] = pkm_f32_to_bf16((float)value);
    else
        ((float *)data)[at] = (float)value;
}

static pkm_status weighted_forward(pkm_node *node, const pkm_run *run)
{
    const weighted_attr *attr = node->attr;

    for (int64_t row = 0; row < run->n_rows; row++) {
        double sum = 0;

        for (int i = 0; i < node->n_in; i++) {
            int64_t width = pkm_tensor_width(node->in[i]);

            for (int64_t at = row * width; at < (row + 1) * width; at++)
                sum += attr->weight[i][at] * element(node->in[i]->data, node->in[i]->dtype, at);
        }
        ((float *)node->out->data)[row] = (float)sum;
    }
    return PKM_OK;
}

static pkm_status weighted_backward(pkm_node *node, const pkm_run *run)
{
    const weighted_attr *attr = node->attr;
    const float *seed = node->out->grad;

    for (int i = 0; i < node->n_in; i++) {
        int64_t width = pkm_tensor_width(node->in[i]);

        if (node->in_adds[i])
            return pkm_fail(PKM_ERR_INTERNAL, "the loss of the test runs first");
        for (int64_t at = 0; at < run->n_rows * width && node->in_wanted[i]; at++)
            set_element(node->in[i]->grad, node->in[i]->dtype, at,
                        (double)seed[at / width] * attr->weight[i][at]);
    }
    return PKM_OK;
}

static const pkm_op weighted_op = {
    .name = "weighted",
    .shape = weighted_shape,
    .forward = weighted_forward,
    .backward = weighted_backward,
};

double *twin_draw(int64_t count, double scale, const char *name)
{
    double *out = malloc((size_t)(count + 1) * sizeof *out);
    pkm_rng rng = {.seed = 11, .stream = pkm_rng_stream(name)};

    assert_non_null(out);
    for (int64_t i = 0; i < count; i++) {
        float normal[2];

        pkm_rng_fill_normal(normal, 2, &rng, 2 * (uint64_t)i, (float)scale);
        out[i] = (double)pkm_bf16_to_f32(pkm_f32_to_bf16(normal[0]));
    }
    return out;
}

void twin_input(twin *t, const char *name, pkm_dtype dtype, int64_t width, double scale)
{
    check_ok(pkm_tape_input(t->tape, &t->in[t->n_in], name, dtype, 1, &width));
    pkm_tape_want_input_grad(t->tape, t->in[t->n_in]);
    t->in_value[t->n_in] = twin_draw(t->shape->n_rows * width, scale, name);
    t->n_in++;
}

void twin_index(twin *t, const char *name, int32_t low, int32_t high)
{
    int32_t *values = malloc((size_t)t->shape->n_rows * sizeof *values);
    pkm_rng rng = {.seed = 12, .stream = pkm_rng_stream(name)};

    assert_non_null(values);
    check_ok(pkm_tape_input(t->tape, &t->in[t->n_in], name, PKM_I32, 0, NULL));
    for (int64_t i = 0; i < t->shape->n_rows; i++)
        values[i] = low + (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % (uint32_t)(high - low));
    t->index[t->n_in++] = values;
}

void twin_param(twin *t, const char *name, int64_t dim0, int64_t dim1, double scale)
{
    pkm_param_spec spec = {.n_dims = dim1 > 0 ? 2 : 1, .dims = {dim0, dim1}};

    strcpy(spec.name, name);
    check_ok(pkm_params_add(t->params, &t->param[t->n_param], &spec));
    t->param_value[t->n_param] = twin_draw(t->param[t->n_param]->count, scale, name);
    t->n_param++;
}

void twin_attr(twin *t, const void *attr, size_t bytes)
{
    assert_true(bytes <= sizeof t->attr);
    memcpy(t->attr, attr, bytes);
    t->attr_bytes = bytes;
}

double twin_dropout(const twin *t, double p, uint64_t index)
{
    pkm_rng rng = {t->run.seed, pkm_rng_stream("node"), (uint32_t)t->run.step};

    return (double)pkm_rng_uniform(&rng, index) < p ? 0 : 1 / (1 - p);
}

static void build(twin *t)
{
    pkm_node_spec spec = {.op = t->op, .name = "node", .attr = t->attr};
    pkm_node_spec loss = {.op = &weighted_op, .name = "loss", .attr_bytes = sizeof(weighted_attr)};
    weighted_attr weights;

    spec.attr_bytes = t->attr_bytes;
    memcpy(spec.in, t->in, sizeof spec.in);
    memcpy(spec.param, t->param, sizeof spec.param);
    check_ok(pkm_tape_add(t->tape, &t->out, &spec));
    t->out_weight = twin_draw(t->shape->n_rows * pkm_tensor_width(t->out), 1, "out_weight");
    if (t->loss_reads >= 0)
        t->in_weight =
            twin_draw(t->shape->n_rows * pkm_tensor_width(t->in[t->loss_reads]), 1, "in_weight");
    weights = (weighted_attr){{t->out_weight, t->in_weight}};
    loss.attr = &weights;
    loss.in[0] = t->out;
    loss.in[1] = t->loss_reads >= 0 ? t->in[t->loss_reads] : NULL;
    check_ok(pkm_tape_add(t->tape, &t->loss, &loss));
    pkm_tape_keep(t->tape, t->out);
    check_ok(pkm_tape_plan(t->tape, t->shape->n_rows, t->loss));
}

void twin_create(twin *t, const twin_row *row, const pkm_op *op, const pkm_op_case *shape,
                 pkm_dtype compute, int loss_reads)
{
    *t = (twin){.row = row, .op = op, .shape = shape, .compute = compute};
    t->loss_reads = loss_reads;
    t->run = (pkm_run){.first_row = 1000, .seed = 5, .step = 7};
    check_ok(pkm_params_create(&t->params));
    check_ok(pkm_tape_create(&t->tape, PKM_MODE_TRAIN));
    row->declare(t);
    check_ok(pkm_params_allocate(t->params, true));
    for (int i = 0; i < t->n_param; i++) {
        for (int64_t k = 0; k < t->param[i]->count; k++)
            ((float *)t->param[i]->data)[k] = (float)t->param_value[i][k];
        t->param[i]->version++;
    }
    build(t);
    pkm_params_pack(t->params);
}

void twin_destroy(twin *t)
{
    pkm_tape_destroy(t->tape);
    if (t->row->release != NULL)
        t->row->release(t);
    pkm_params_destroy(t->params);
    for (int i = 0; i < t->n_in; i++) {
        free(t->in_value[i]);
        free(t->index[i]);
    }
    for (int i = 0; i < t->n_param; i++)
        free(t->param_value[i]);
    free(t->out_weight);
    free(t->in_weight);
}

void twin_run_forward(twin *t, int64_t n_rows)
{
    t->n_rows = t->run.n_rows = n_rows;
    for (int i = 0; i < t->n_in; i++) {
        int64_t count = n_rows * pkm_tensor_width(t->in[i]);

        for (int64_t k = 0; k < count && t->in_value[i] != NULL; k++)
            set_element(t->in[i]->data, t->in[i]->dtype, k, t->in_value[i][k]);
        if (t->index[i] != NULL)
            memcpy(t->in[i]->data, t->index[i], (size_t)n_rows * sizeof(int32_t));
    }
    check_ok(pkm_tape_forward(t->tape, &t->run));
}

void twin_run_backward(twin *t, bool accumulate)
{
    float *seed = malloc((size_t)(t->n_rows + 1) * sizeof *seed);

    assert_non_null(seed);
    for (int64_t i = 0; i < t->n_rows; i++)
        seed[i] = 1.0f;
    for (int i = 0; i < t->n_param && !accumulate; i++)
        for (int64_t k = 0; k < t->param[i]->count && t->param[i]->grad != NULL; k++)
            t->param[i]->grad[k] = NAN;
    t->run.accumulate = accumulate;
    t->run.loss_grad = seed;
    check_ok(pkm_tape_backward(t->tape, &t->run));
    t->run.loss_grad = NULL;
    free(seed);
}

int64_t twin_out_width(const twin *t)
{
    return pkm_tensor_width(t->out);
}

double twin_loss(twin *t)
{
    int64_t count = t->n_rows * twin_out_width(t);
    double *out = malloc((size_t)(count + 1) * sizeof *out);
    double sum = 0;

    assert_non_null(out);
    t->row->forward(t, out);
    for (int64_t i = 0; i < count; i++)
        sum += out[i] * t->out_weight[i];
    free(out);
    count = t->loss_reads >= 0 ? t->n_rows * pkm_tensor_width(t->in[t->loss_reads]) : 0;
    for (int64_t i = 0; i < count; i++)
        sum += t->in_value[t->loss_reads][i] * t->in_weight[i];
    return sum;
}
