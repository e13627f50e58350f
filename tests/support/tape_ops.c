/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tape_ops.h"

#include <string.h>

/* out = 1 + sum of the inputs; backward gives each input the gradient of out. */
static pkm_status sum_shape(pkm_node *node)
{
    node->out->dtype = PKM_F32;
    node->out->n_dims = node->in[0]->n_dims;
    memcpy(node->out->dims, node->in[0]->dims, sizeof node->out->dims);
    for (int i = 1; i < node->n_in; i++)
        if (pkm_tensor_width(node->in[i]) != pkm_tensor_width(node->in[0]))
            return pkm_fail(PKM_ERR_SHAPE, "input '%s' has width %lld, expected %lld",
                            node->in[i]->name, (long long)pkm_tensor_width(node->in[i]),
                            (long long)pkm_tensor_width(node->in[0]));
    return pkm_node_save(node, "kept", PKM_F32, pkm_tensor_width(node->in[0]));
}

static size_t sum_workspace(const pkm_node *node, int64_t max_rows)
{
    return (size_t)(max_rows * pkm_tensor_width(node->out)) * sizeof(float);
}

static pkm_status sum_forward(pkm_node *node, const pkm_run *run)
{
    int64_t count = run->n_rows * pkm_tensor_width(node->out);
    float *sum = run->workspace;

    for (int64_t i = 0; i < count; i++) {
        sum[i] = 1;
        for (int k = 0; k < node->n_in; k++)
            sum[i] += ((const float *)node->in[k]->data)[i];
    }
    memcpy(node->out->data, sum, (size_t)count * sizeof *sum);
    memcpy(node->saved[0]->data, sum, (size_t)count * sizeof *sum);
    return PKM_OK;
}

/* Everything backward may read must be as forward left it. */
static pkm_status sum_verify(const pkm_node *node, int64_t count)
{
    const float *kept = node->saved[0]->data;

    for (int64_t i = 0; i < count; i++) {
        float sum = 1;

        for (int k = 0; k < node->n_in; k++)
            sum += ((const float *)node->in[k]->data)[i];
        if (sum != kept[i] || ((const float *)node->out->data)[i] != kept[i])
            return pkm_fail(PKM_ERR_INTERNAL, "a value of '%s' was overwritten", node->name);
    }
    return PKM_OK;
}

static pkm_status sum_backward(pkm_node *node, const pkm_run *run)
{
    int64_t count = run->n_rows * pkm_tensor_width(node->out);
    const float *dout = node->out->grad;

    PKM_TRY(sum_verify(node, count));
    for (int k = 0; k < node->n_in; k++) {
        float *grad = node->in[k]->grad;

        if (!node->in_wanted[k] || grad == dout)
            continue;
        for (int64_t i = 0; i < count; i++)
            grad[i] = node->in_adds[k] ? grad[i] + dout[i] : dout[i];
    }
    for (int p = 0; p < node->n_param; p++)
        for (int64_t i = 0; i < node->param[p]->count; i++)
            node->param[p]->grad[i] =
                pkm_node_adds_param(node, p, run) ? node->param[p]->grad[i] + 1 : 1;
    return PKM_OK;
}

enum { READS_ALL = PKM_READS_IN0 | PKM_READS_IN1 | PKM_READS_IN2 | PKM_READS_IN3 | PKM_READS_OUT };

const pkm_op sum_op = {
    .name = "sum",
    .shape = sum_shape,
    .workspace = sum_workspace,
    .forward = sum_forward,
    .backward = sum_backward,
    .backward_reads = READS_ALL,
};

const pkm_op residual_op = {
    .name = "residual",
    .shape = sum_shape,
    .workspace = sum_workspace,
    .forward = sum_forward,
    .backward = sum_backward,
    .backward_reads = READS_ALL,
    .passes_grad = 1,
};

const pkm_op forward_only_op = {
    .name = "forward_only",
    .shape = sum_shape,
    .workspace = sum_workspace,
    .forward = sum_forward,
};

/* loss [rows] = sum over the columns of the input. */
static pkm_status total_shape(pkm_node *node)
{
    node->out->dtype = PKM_F32;
    return PKM_OK;
}

static pkm_status total_forward(pkm_node *node, const pkm_run *run)
{
    const float *in = node->in[0]->data;

    for (int64_t row = 0; row < run->n_rows; row++) {
        float *out = (float *)node->out->data + row;

        *out = 0;
        for (int i = 0; i < TAPE_WIDTH; i++)
            *out += in[row * TAPE_WIDTH + i];
    }
    return PKM_OK;
}

static pkm_status total_backward(pkm_node *node, const pkm_run *run)
{
    const float *seed = node->out->grad;

    for (int64_t i = 0; i < run->n_rows * TAPE_WIDTH; i++) {
        float *grad = (float *)node->in[0]->grad + i;

        *grad = node->in_adds[0] ? *grad + seed[i / TAPE_WIDTH] : seed[i / TAPE_WIDTH];
    }
    return PKM_OK;
}

const pkm_op total_op = {
    .name = "total", .shape = total_shape, .forward = total_forward, .backward = total_backward};
