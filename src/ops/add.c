/* SPDX-License-Identifier: Apache-2.0 */
/* out = a + dropout(b): the residual stream a takes the result of a block in. */
#include "base/dtype.h"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/values.h"

static pkm_status add_shape(pkm_node *node)
{
    const pkm_add_attr *attr = node->attr;
    int64_t width;

    PKM_TRY(pkm_rule_counts(node, 2, 0, 0));
    PKM_TRY(pkm_rule_dropout(attr->dropout));
    width = pkm_tensor_width(node->in[0]);
    PKM_TRY(pkm_rule_input(node, 0, PKM_F32, width));
    PKM_TRY(pkm_rule_float(node, 1));
    PKM_TRY(pkm_rule_input(node, 1, node->in[1]->dtype, width));
    pkm_rule_output(node, PKM_F32, width);
    return PKM_OK;
}

typedef struct add_job {
    const pkm_node *node;
    uint64_t offset; /* index of the first element in its step */
    float dropout;
    pkm_rng rng;
} add_job;

static add_job job_of(const pkm_node *node, const pkm_run *run)
{
    const pkm_add_attr *attr = node->attr;

    return (add_job){
        .node = node,
        .offset = (uint64_t)(run->first_row * pkm_tensor_width(node->out)),
        .dropout = node->mode == PKM_MODE_TRAIN ? attr->dropout : 0,
        .rng = {run->seed, pkm_rng_stream(node->name), (uint32_t)run->step},
    };
}

static void forward_chunk(int64_t first, int64_t count, void *user)
{
    const add_job *job = user;
    const pkm_tensor *b = job->node->in[1];
    const float *a = (const float *)job->node->in[0]->data + first;
    float *out = (float *)job->node->out->data + first;
    float scratch[PKM_VALUES_CHUNK];
    const float *values = pkm_values_read(b->data, b->dtype, first, count, scratch);

    if (job->dropout > 0)
        values = pkm_values_dropout(scratch, values, count, job->dropout, &job->rng,
                                    job->offset + (uint64_t)first);
    pkm_kernels_get()->vector_add(out, a, values, count);
}

static pkm_status add_forward(pkm_node *node, const pkm_run *run)
{
    add_job job = job_of(node, run);

    pkm_values_parallel(run->n_rows * pkm_tensor_width(node->out), forward_chunk, &job);
    return PKM_OK;
}

static void backward_chunk(int64_t first, int64_t count, void *user)
{
    const add_job *job = user;
    const pkm_node *node = job->node;
    const pkm_tensor *a = node->in[0], *b = node->in[1];
    const float *dout = (const float *)node->out->grad + first;
    float scratch[PKM_VALUES_CHUNK];

    if (node->in_wanted[0] && a->grad != node->out->grad)
        pkm_values_write(a->grad, PKM_F32, first, count, dout, node->in_adds[0]);
    if (!node->in_wanted[1])
        return;
    if (job->dropout > 0)
        dout = pkm_values_dropout(scratch, dout, count, job->dropout, &job->rng,
                                  job->offset + (uint64_t)first);
    pkm_values_write(b->grad, b->dtype, first, count, dout, node->in_adds[1]);
}

/* da = dout (mostly in the same place, see passes_grad);  db = dout where b was not dropped. */
static pkm_status add_backward(pkm_node *node, const pkm_run *run)
{
    add_job job = job_of(node, run);

    pkm_values_parallel(run->n_rows * pkm_tensor_width(node->out), backward_chunk, &job);
    return PKM_OK;
}

static pkm_cost add_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    double elements = (double)n_rows * (double)pkm_tensor_width(node->out);
    double b_bytes = (double)pkm_dtype_bytes(node->in[1]->dtype);

    return backward ? (pkm_cost){0, (4 + b_bytes) * elements}
                    : (pkm_cost){elements, (8 + b_bytes) * elements};
}

/* size: width, dtype of b (1: compute), dropout in percent */
static const pkm_op_case add_cases[] = {{3, {5, 0, 0}}, {70, {33, 1, 0}}, {40, {64, 1, 25}}};

const pkm_op pkm_op_add = {
    .name = "add",
    .shape = add_shape,
    .forward = add_forward,
    .backward = add_backward,
    .cost = add_cost,
    .passes_grad = 1,
    .cases = add_cases,
    .n_cases = sizeof add_cases / sizeof add_cases[0],
};
