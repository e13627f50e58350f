/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge from the tape to the memory layer (memory/layer.h), which does all the work. Its
 * backward also records hits in the value store; the owner of the store steps it. */
#include "memory/layer.h"
#include "ops/ops.h"
#include "ops/rules.h"

_Static_assert((int)PKM_MEMORY_SAVED <= (int)PKM_NODE_SAVED, "a node saves what the layer saves");
_Static_assert((int)PKM_MEMORY_PARAMS <= (int)PKM_NODE_PARAMS, "a node lists a layer's parameters");

static pkm_memory_layer *layer_of(const pkm_node *node)
{
    return ((const pkm_memory_lookup_attr *)node->attr)->layer;
}

static pkm_status memory_lookup_shape(pkm_node *node)
{
    pkm_memory_layer *layer = layer_of(node);
    pkm_dtype compute = pkm_memory_layer_compute(layer);
    int64_t dim = pkm_memory_layer_config(layer)->dim;
    pkm_memory_saved saved[PKM_MEMORY_SAVED];
    int n_saved = pkm_memory_layer_saved(layer, saved);

    PKM_TRY(pkm_rule_counts(node, node->n_in == 2 ? 2 : 1, 0, PKM_MEMORY_PARAMS));
    PKM_TRY(pkm_rule_input(node, 0, compute, dim));
    if (node->n_in == 2)
        PKM_TRY(pkm_rule_input(node, 1, PKM_U8, 1));
    /* A builder need not list them: they are the layer's. */
    node->n_param = pkm_memory_layer_params(layer, node->param);
    for (int i = 0; i < n_saved; i++)
        PKM_TRY(pkm_node_save(node, saved[i].suffix, saved[i].dtype, saved[i].width));
    pkm_rule_output(node, compute, dim);
    return PKM_OK;
}

static pkm_memory_plan plan_of(const pkm_node *node, int64_t max_rows)
{
    return (pkm_memory_plan){max_rows, node->mode == PKM_MODE_TRAIN, node->n_in == 2};
}

static pkm_status memory_lookup_prepare(pkm_node *node, int64_t max_rows)
{
    pkm_memory_plan plan = plan_of(node, max_rows);

    return pkm_memory_layer_prepare(layer_of(node), &plan);
}

static size_t memory_lookup_workspace(const pkm_node *node, int64_t max_rows)
{
    pkm_memory_plan plan = plan_of(node, max_rows);

    return pkm_memory_layer_workspace(layer_of(node), &plan);
}

static pkm_memory_call call_of(const pkm_node *node, const pkm_run *run)
{
    pkm_memory_call call = {
        .n_rows = run->n_rows,
        .mask = node->n_in == 2 ? node->in[1]->data : NULL,
        .train = node->mode == PKM_MODE_TRAIN,
        .workspace = run->workspace,
    };

    for (int i = 0; i < node->n_saved; i++)
        call.saved[i] = node->saved[i]->data;
    return call;
}

static pkm_status memory_lookup_forward(pkm_node *node, const pkm_run *run)
{
    pkm_memory_call call = call_of(node, run);

    return pkm_memory_layer_forward(layer_of(node), node->out->data, node->in[0]->data, &call);
}

/* The derivation stands in memory/layer_backward.c. */
static pkm_status memory_lookup_backward(pkm_node *node, const pkm_run *run)
{
    pkm_memory_call call = call_of(node, run);
    pkm_memory_grads grads = {
        .dx = node->in_wanted[0] ? node->in[0]->grad : NULL,
        .accumulate_dx = node->in_adds[0],
        .accumulate_params = pkm_node_adds_param(node, 0, run),
    };

    return pkm_memory_layer_backward(layer_of(node), &grads, node->out->grad, node->in[0]->data,
                                     &call);
}

static pkm_cost memory_lookup_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    pkm_cost cost;

    pkm_memory_layer_cost(layer_of(node), n_rows, backward, &cost.flops, &cost.bytes);
    return cost;
}

/* size: D, H, n, d_k, k, D_v; query norm, gates and masks: tests/test_memory_layer.c */
static const pkm_op_case memory_lookup_cases[] = {
    {7, {6, 2, 5, 4, 3, 6}},
    {9, {8, 1, 4, 6, 4, 5}},
};

const pkm_op pkm_op_memory_lookup = {
    .name = "memory_lookup",
    .shape = memory_lookup_shape,
    .prepare = memory_lookup_prepare,
    .workspace = memory_lookup_workspace,
    .forward = memory_lookup_forward,
    .backward = memory_lookup_backward,
    .cost = memory_lookup_cost,
    .backward_reads = PKM_READS_IN0 | PKM_READS_IN1,
    .cases = memory_lookup_cases,
    .n_cases = sizeof memory_lookup_cases / sizeof memory_lookup_cases[0],
};
