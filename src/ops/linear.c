/* SPDX-License-Identifier: Apache-2.0 */
/* y = x W + bias over the dense provider, with GELU (Hendrycks and Gimpel 2016) or a residual:
 * GPT-2's projections, and the head that gives logits. */
#include "base/dtype.h"
#include "base/size.h"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/values.h"

/* As it was declared, but that a stored weight lies by its outputs. */
static pkm_weight_layout layout_of(const pkm_node *node)
{
    const pkm_linear_attr *attr = node->attr;

    return node->param[0]->dtype == PKM_F32 ? attr->layout : PKM_WEIGHT_OUT_IN;
}

static int64_t axis_in(const pkm_node *node)
{
    return layout_of(node) == PKM_WEIGHT_IN_OUT ? 0 : 1;
}

static pkm_status linear_shape(pkm_node *node)
{
    const pkm_linear_attr *attr = node->attr;
    const pkm_param_spec *weight;
    int64_t n_in, n_out;

    PKM_TRY(pkm_rule_counts(node, node->n_in > 1 && !attr->gelu ? 2 : 1, 1, 2));
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
    if (node->n_in > 1)
        PKM_TRY(pkm_rule_input(node, 1, attr->out_dtype, n_out));
    if (node->n_in > 1 && attr->out_dtype != PKM_F32)
        return pkm_fail(PKM_ERR_SHAPE, "the output on a residual is not f32");
    pkm_rule_output(node, attr->out_dtype, n_out);
    return attr->gelu ? pkm_node_save(node, "sum", attr->out_dtype, n_out) : PKM_OK;
}

static pkm_status linear_prepare(pkm_node *node, int64_t max_rows)
{
    pkm_dense_config config = {
        .n_in = pkm_tensor_width(node->in[0]),
        .n_out = pkm_tensor_width(node->out),
        .layout = layout_of(node),
        .compute = node->in[0]->dtype,
        .backward = node->mode == PKM_MODE_TRAIN,
        .max_rows = max_rows,
    };

    return pkm_param_use_dense(node->param[0], &config);
}

/* Products want the gradient of the sum in the compute dtype: that of out, from another precision
 * or through GELU, is written anew first. */
static bool turns_gradient(const pkm_node *node)
{
    const pkm_linear_attr *attr = node->attr;

    return node->mode == PKM_MODE_TRAIN && (attr->gelu || node->out->dtype != node->in[0]->dtype);
}

static size_t linear_workspace(const pkm_node *node, int64_t max_rows)
{
    size_t count = pkm_size_product((size_t)max_rows, (size_t)pkm_tensor_width(node->out));

    return turns_gradient(node) ? pkm_size_product(count, pkm_dtype_bytes(node->in[0]->dtype)) : 0;
}

static pkm_status linear_forward(pkm_node *node, const pkm_run *run)
{
    const pkm_linear_attr *attr = node->attr;
    const pkm_dense_finish finish = {
        .bias = node->n_param > 1 ? node->param[1]->data : NULL,
        .residual = node->n_in > 1 ? node->in[1]->data : NULL,
        .gelu = attr->gelu ? node->out->data : NULL,
    };
    const pkm_tensor *sum = attr->gelu ? node->saved[0] : node->out;

    return pkm_dense_forward(node->param[0]->dense, sum->data, sum->dtype, node->in[0]->data,
                             &finish, run->n_rows);
}

typedef struct gradient {
    const pkm_node *node;
    void *out; /* of the sum, in the compute dtype */
} gradient;

static void turn_chunk(int64_t first, int64_t count, void *user)
{
    const gradient *g = user;
    const pkm_linear_attr *attr = g->node->attr;
    const pkm_tensor *out = g->node->out;
    pkm_dtype compute = g->node->in[0]->dtype;
    size_t at = (size_t)first * pkm_dtype_bytes(out->dtype);
    const char *dy = (const char *)out->grad + at;
    float turned[PKM_VALUES_CHUNK];

    if (attr->gelu && out->dtype == compute) {
        pkm_kernels_get()->gelu_backward[compute](
            (char *)g->out + at, dy, (const char *)g->node->saved[0]->data + at, count);
        return;
    }
    if (attr->gelu) {
        pkm_kernels_get()->gelu_backward[PKM_F32](
            turned, dy, (const char *)g->node->saved[0]->data + at, count);
        dy = (const char *)turned;
    }
    pkm_values_write(g->out, compute, first, count, (const float *)(const void *)dy, false);
}

static void residual_chunk(int64_t first, int64_t count, void *user)
{
    const pkm_node *node = user;

    pkm_values_write(node->in[1]->grad, PKM_F32, first, count,
                     (const float *)node->out->grad + first, node->in_adds[1]);
}

/*
 * y = x W + b:  dx = dy W^T;  dW = x^T dy;  db = the column sums of dy. The residual's gradient is
 * mostly in the place of dy, see passes_grad. With s = 1 / (1 + exp(-2 u)) and
 * u' = sqrt(2/pi) (1 + 0.134145 y^2), gelu(y) = y s and its derivative is s + y s (1 - s) 2 u'.
 */
static pkm_status linear_backward(pkm_node *node, const pkm_run *run)
{
    pkm_tensor *in = node->in[0];
    pkm_param *weight = node->param[0];
    const void *dy = node->out->grad;
    int64_t count = run->n_rows * pkm_tensor_width(node->out);
    pkm_dense_grads grads = {.weight = weight->grad,
                             .add_weight = pkm_node_adds_param(node, 0, run)};

    if (turns_gradient(node)) {
        gradient g = {node, run->workspace};

        pkm_values_parallel(count, turn_chunk, &g);
        dy = run->workspace;
    }
    if (node->in_wanted[0])
        PKM_TRY(pkm_dense_backward_input(weight->dense, in->grad, in->dtype, dy, run->n_rows,
                                         node->in_adds[0]));
    /* After that of x, in whose place it may be. */
    if (node->n_in > 1 && node->in_wanted[1] && node->in[1]->grad != node->out->grad)
        pkm_values_parallel(count, residual_chunk, node);
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
    const pkm_linear_attr *attr = node->attr;
    double rows = (double)n_rows, weights = (double)node->param[0]->count;
    double n_in = (double)pkm_tensor_width(node->in[0]);
    double n_out = (double)pkm_tensor_width(node->out);
    double element = (double)pkm_dtype_bytes(node->in[0]->dtype);
    double out = (double)pkm_dtype_bytes(node->out->dtype);
    /* Beside x, the weight and out: the residual, or the sum under GELU. */
    double others = node->n_in > 1 || attr->gelu ? out : 0;
    pkm_cost once = {
        .flops = 2 * rows * weights,
        .bytes = element * (rows * n_in + weights) + (out + others) * rows * n_out,
    };

    /* Backward is two products of the same size; the second writes fp32 gradients. */
    return backward ? (pkm_cost){2 * once.flops, 2 * once.bytes + 4 * weights} : once;
}

/* size: n_in, n_out, layout, with bias, f32 output, 1: GELU, 2: a residual or 3: x as that */
static const pkm_op_case linear_cases[] = {
    {5, {3, 7, PKM_WEIGHT_IN_OUT, 1, 0, 0}},    {6, {8, 4, PKM_WEIGHT_OUT_IN, 0, 1, 0}},
    {33, {16, 20, PKM_WEIGHT_OUT_IN, 1, 0, 0}}, {40, {12, 36, PKM_WEIGHT_IN_OUT, 1, 0, 1}},
    {7, {6, 10, PKM_WEIGHT_IN_OUT, 1, 1, 1}},   {34, {24, 20, PKM_WEIGHT_IN_OUT, 1, 1, 2}},
    {35, {18, 18, PKM_WEIGHT_OUT_IN, 1, 1, 3}},
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
    .passes_grad = 2,
    .cases = linear_cases,
    .n_cases = sizeof linear_cases / sizeof linear_cases[0],
};
