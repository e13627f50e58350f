/* SPDX-License-Identifier: Apache-2.0 */
/* y = x W + bias over the dense provider: GPT-2's projections, and the head that gives logits. */
#include "base/dtype.h"
#include "base/size.h"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/values.h"

static int64_t axis_in(const pkm_node *node)
{
    const pkm_linear_attr *attr = node->attr;

    return attr->layout == PKM_WEIGHT_IN_OUT ? 0 : 1;
}

static pkm_status linear_shape(pkm_node *node)
{
    const pkm_linear_attr *attr = node->attr;
    const pkm_param_spec *weight;
    int64_t n_in, n_out;

    PKM_TRY(pkm_rule_counts(node, 1, 1, 2));
    PKM_TRY(pkm_rule_float(node, 0));
    PKM_TRY(pkm_rule_param(node, 0, -1, -1));
    weight = &node->param[0]->spec;
    n_in = weight->dims[axis_in(node)];
    n_out = weight->dims[1 - axis_in(node)];
    PKM_TRY(pkm_rule_input(node, 0, node->in[0]->dtype, n_in));
    if (node->n_param > 1)
        PKM_TRY(pkm_rule_param(node, 1, n_out, 0));
    if (attr->out_dtype != PKM_F32 && attr->out_dtype != node->in[0]->dtype)
        return pkm_fail(PKM_ERR_SHAPE, "the output is neither f32 nor of the dtype of '%s'",
                        node->in[0]->name);
    pkm_rule_output(node, attr->out_dtype, n_out);
    return PKM_OK;
}

static pkm_status linear_prepare(pkm_node *node, int64_t max_rows)
{
    const pkm_linear_attr *attr = node->attr;
    pkm_dense_config config = {
        .n_in = pkm_tensor_width(node->in[0]),
        .n_out = pkm_tensor_width(node->out),
        .layout = attr->layout,
        .compute = node->in[0]->dtype,
        .backward = node->mode == PKM_MODE_TRAIN,
        .max_rows = max_rows,
    };

    return pkm_param_use_dense(node->param[0], &config);
}

/* Products want dy in the compute dtype; a gradient in another precision is converted first. */
static bool converts_gradient(const pkm_node *node)
{
    return node->mode == PKM_MODE_TRAIN && node->out->dtype != node->in[0]->dtype;
}

static size_t linear_workspace(const pkm_node *node, int64_t max_rows)
{
    size_t count = pkm_size_product((size_t)max_rows, (size_t)pkm_tensor_width(node->out));

    return converts_gradient(node) ? pkm_size_product(count, pkm_dtype_bytes(node->in[0]->dtype))
                                   : 0;
}

static pkm_status linear_forward(pkm_node *node, const pkm_run *run)
{
    const pkm_dense_finish finish = {.bias = node->n_param > 1 ? node->param[1]->data : NULL};

    return pkm_dense_forward(node->param[0]->dense, node->out->data, node->out->dtype,
                             node->in[0]->data, &finish, run->n_rows);
}

typedef struct conversion {
    uint16_t *out;
    const float *in;
} conversion;

static void convert_chunk(int64_t first, int64_t count, void *user)
{
    const conversion *c = user;

    pkm_kernels_get()->f32_to_bf16(c->out + first, c->in + first, count);
}

/*
 * y = x W + b:  dx = dy W^T;  dW = x^T dy;  db = the column sums of dy.
 */
static pkm_status linear_backward(pkm_node *node, const pkm_run *run)
{
    pkm_tensor *in = node->in[0];
    pkm_param *weight = node->param[0];
    const void *dy = node->out->grad;
    pkm_dense_grads grads = {.weight = weight->grad,
                             .add_weight = pkm_node_adds_param(node, 0, run)};

    if (converts_gradient(node)) {
        conversion c = {run->workspace, dy};

        pkm_values_parallel(run->n_rows * pkm_tensor_width(node->out), convert_chunk, &c);
        dy = run->workspace;
    }
    if (node->in_wanted[0])
        PKM_TRY(pkm_dense_backward_input(weight->dense, in->grad, in->dtype, dy, run->n_rows,
                                         node->in_adds[0]));
    if (weight->grad == NULL)
        return PKM_OK;
    if (node->n_param > 1) {
        grads.bias = node->param[1]->grad;
        grads.add_bias = pkm_node_adds_param(node, 1, run);
    }
    return pkm_dense_backward_weight(weight->dense, &grads, in->data, dy, run->n_rows);
}

static pkm_cost linear_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    double rows = (double)n_rows, weights = (double)node->param[0]->count;
    double n_in = (double)pkm_tensor_width(node->in[0]);
    double n_out = (double)pkm_tensor_width(node->out);
    double element = (double)pkm_dtype_bytes(node->in[0]->dtype);
    pkm_cost once = {
        .flops = 2 * rows * weights,
        .bytes = element * (rows * (n_in + n_out) + weights),
    };

    /* Backward is two products of the same size; the second writes fp32 gradients. */
    return backward ? (pkm_cost){2 * once.flops, 2 * once.bytes + 4 * weights} : once;
}

/* size: n_in, n_out, layout, with bias, f32 output */
static const pkm_op_case linear_cases[] = {
    {5, {3, 7, PKM_WEIGHT_IN_OUT, 1, 0}},
    {6, {8, 4, PKM_WEIGHT_OUT_IN, 0, 1}},
    {33, {16, 20, PKM_WEIGHT_OUT_IN, 1, 0}},
};

const pkm_op pkm_op_linear = {
    .name = "linear",
    .shape = linear_shape,
    .prepare = linear_prepare,
    .workspace = linear_workspace,
    .forward = linear_forward,
    .backward = linear_backward,
    .cost = linear_cost,
    .backward_reads = PKM_READS_IN0,
    .cases = linear_cases,
    .n_cases = sizeof linear_cases / sizeof linear_cases[0],
};
