/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head and its loss in one: logits = x W^T, loss = -ln softmax(logits)[target]. As the end of
 * a tape whose run knows the gradient of its losses beforehand, forward computes the gradients too,
 * while it has the probabilities of a block of rows at hand; otherwise backward makes them again.
 */
#include "base/dtype.h"
#include "ops/head_loss.h"
#include "ops/ops.h"
#include "ops/rules.h"

static pkm_status cross_entropy_shape(pkm_node *node)
{
    int64_t dim;

    PKM_TRY(pkm_rule_counts(node, 2, 1, 1));
    PKM_TRY(pkm_rule_float(node, 0));
    dim = pkm_tensor_width(node->in[0]);
    PKM_TRY(pkm_rule_input(node, 1, PKM_I32, 1));
    PKM_TRY(pkm_rule_param(node, 0, -1, dim));
    pkm_rule_output(node, PKM_F32, 0);
    return PKM_OK;
}

static size_t cross_entropy_held(const pkm_node *node)
{
    pkm_head_weight head;

    return pkm_head_weight_place(&head, node, NULL);
}

static size_t cross_entropy_workspace(const pkm_node *node, int64_t max_rows)
{
    pkm_head_weight head;

    (void)pkm_head_weight_place(&head, node, NULL);
    return pkm_head_loss_workspace(&head, max_rows, node->mode == PKM_MODE_TRAIN);
}

static pkm_head_loss call_of(const pkm_node *node, const pkm_run *run)
{
    pkm_head_loss call = {
        .weight = node->param[0]->data,
        .x = node->in[0]->data,
        .dtype = node->in[0]->dtype,
        .targets = node->in[1]->data,
        .n_rows = run->n_rows,
        .workspace = run->workspace,
    };

    (void)pkm_head_weight_place(&call.head, node, node->held);
    return call;
}

static void want_gradients(pkm_head_loss *call, const pkm_node *node, const pkm_run *run,
                           const float *seed)
{
    call->seed = seed;
    call->dx = node->in_wanted[0] ? node->in[0]->grad : NULL;
    call->adds_dx = node->in_adds[0];
    call->dweight = node->param[0]->grad;
    call->adds_dweight = pkm_node_adds_param(node, 0, run);
}

static pkm_status cross_entropy_forward(pkm_node *node, const pkm_run *run)
{
    pkm_head_loss call = call_of(node, run);

    PKM_TRY(pkm_rule_indices(node->in[1], run->n_rows, -1, call.head.vocabulary));
    pkm_head_weight_renew(&call.head, node->param[0], run->workspace);
    call.loss = node->out->data;
    node->made_grads = node->ends_tape && run->loss_grad != NULL;
    if (node->made_grads)
        want_gradients(&call, node, run, run->loss_grad);
    pkm_head_loss_run(&call);
    return PKM_OK;
}

static pkm_status cross_entropy_backward(pkm_node *node, const pkm_run *run)
{
    pkm_head_loss call = call_of(node, run);

    if (node->made_grads)
        return PKM_OK;
    want_gradients(&call, node, run, node->out->grad);
    pkm_head_loss_run(&call);
    return PKM_OK;
}

/* Where it ends the tape, as of a training step: all in forward. */
static pkm_cost cross_entropy_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    double products = 2 * (double)n_rows * (double)node->param[0]->count;
    double element = (double)pkm_dtype_bytes(node->in[0]->dtype);
    double weights = (double)node->param[0]->count, n_products = 1;

    if (backward)
        n_products = node->ends_tape ? 0 : 3;
    else if (node->ends_tape)
        n_products = 3;
    return (pkm_cost){.flops = n_products * products,
                      .bytes = n_products > 0 ? (n_products * element + 4) * weights : 0};
}

/* size: dim, vocabulary */
static const pkm_op_case cross_entropy_cases[] = {{5, {4, 7}}, {20, {6, 1100}}, {600, {5, 259}}};

const pkm_op pkm_op_cross_entropy = {
    .name = "cross_entropy",
    .shape = cross_entropy_shape,
    .held = cross_entropy_held,
    .workspace = cross_entropy_workspace,
    .forward = cross_entropy_forward,
    .backward = cross_entropy_backward,
    .cost = cross_entropy_cost,
    .backward_reads = PKM_READS_IN0 | PKM_READS_IN1,
    .early_grad = true,
    .cases = cross_entropy_cases,
    .n_cases = sizeof cross_entropy_cases / sizeof cross_entropy_cases[0],
};
