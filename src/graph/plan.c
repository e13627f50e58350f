/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning. Time runs over the schedule: forward of node i at time i, and, when there is a loss,
 * its backward at time 2n - 1 - i. A tensor or gradient takes a place in the arena from the time
 * it is first written to the time it is last read.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "graph/place.h"
#include "graph/tape_private.h"

typedef struct pkm_plan {
    pkm_tape *tape;
    int64_t max_rows;
    pkm_tensor *loss;
    int end; /* the last time of the schedule */
    pkm_place *places;
    int n_places, first_held;
    size_t arena_bytes, workspace_offset;
} pkm_plan;

static int backward_time(const pkm_plan *plan, int node)
{
    return 2 * plan->tape->n_nodes - 1 - node;
}

static bool is_trained(const pkm_param *param)
{
    return param->spec.role != PKM_PARAM_BUFFER;
}

/* Forward over the list: which tensors have something behind them that wants a gradient. */
static void mark_behind(pkm_tape *tape)
{
    for (int i = 0; i < tape->n_entries; i++) {
        pkm_tape_entry *entry = tape->entries[i];

        entry->behind = entry->want_grad && !entry->stops;
    }
    for (int i = 0; i < tape->n_nodes; i++) {
        const pkm_node *node = tape->nodes[i];
        pkm_tape_entry *out = pkm_tape_entry_of(tape, node->out);

        for (int k = 0; k < node->n_param && !out->stops; k++)
            out->behind |= is_trained(node->param[k]);
        for (int k = 0; k < node->n_in && !out->stops; k++)
            out->behind |= pkm_tape_entry_of(tape, node->in[k])->behind;
    }
}

static pkm_status place_add(pkm_plan *plan, int *number, const pkm_tensor *tensor, int first,
                            int last)
{
    pkm_place *place = &plan->places[plan->n_places];
    int64_t shape[PKM_TENSOR_DIMS + 1] = {plan->max_rows};

    memcpy(shape + 1, tensor->dims, sizeof tensor->dims);
    if (!pkm_size_shape(shape, tensor->n_dims + 1, pkm_dtype_bytes(tensor->dtype), &place->bytes))
        return pkm_fail(PKM_ERR_NOMEM, "tensor '%s' is too large for %lld rows", tensor->name,
                        (long long)plan->max_rows);
    place->first = first;
    place->last = last;
    *number = plan->n_places++;
    return PKM_OK;
}

static void live_until(pkm_plan *plan, int place, int time)
{
    if (plan->places[place].last < time)
        plan->places[place].last = time;
}

static bool same_shape(const pkm_tensor *a, const pkm_tensor *b)
{
    return a->dtype == b->dtype && a->n_dims == b->n_dims &&
           memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof *a->dims) == 0;
}

/* May the gradient of in[k] take over the place of the gradient of out? */
static bool shares_gradient(const pkm_node *node, int k)
{
    for (int i = 0; i < node->n_in; i++)
        if (i != k && node->in[i] == node->in[k])
            return false;
    return node->op->passes_grad == k + 1 && same_shape(node->in[k], node->out);
}

/* The node's backward writes the gradient of in[k], or adds to it if a later node wrote it. */
static pkm_status plan_input_grad(pkm_plan *plan, pkm_node *node, int index, int k)
{
    pkm_tape *tape = plan->tape;
    pkm_tape_entry *in = pkm_tape_entry_of(tape, node->in[k]);
    int last = in->producer < 0 ? plan->end : backward_time(plan, in->producer);

    node->in_wanted[k] = in->behind;
    if (!in->behind)
        return PKM_OK;
    node->in_adds[k] = in->tensor.has_grad;
    if (in->tensor.has_grad)
        return PKM_OK;
    if (in->tensor.dtype != PKM_F32 && in->tensor.dtype != PKM_BF16)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "node '%s': input '%s' holds integers, no gradient",
                        node->name, in->name);
    in->tensor.has_grad = true;
    if (shares_gradient(node, k)) {
        in->grad_place = pkm_tape_entry_of(tape, node->out)->grad_place;
        live_until(plan, in->grad_place, last);
        return PKM_OK;
    }
    return place_add(plan, &in->grad_place, &in->tensor,
                     node->ends_tape ? index : backward_time(plan, index), last);
}

/* Whether a node whose backward runs before that of nodes[index], or an earlier parameter of that
 * node, writes the gradient of its parameter k. */
static bool param_written(const pkm_tape *tape, int index, int k)
{
    const pkm_param *param = tape->nodes[index]->param[k];

    for (int i = index; i < tape->n_nodes; i++) {
        const pkm_node *node = tape->nodes[i];
        int n_before = i == index ? k : node->n_param;

        for (int p = 0; p < n_before && node->runs_backward; p++)
            if (node->param[p] == param)
                return true;
    }
    return false;
}

static pkm_status plan_node_backward(pkm_plan *plan, int index)
{
    pkm_node *node = plan->tape->nodes[index];

    node->runs_backward = node->out->has_grad;
    node->ends_tape = node->runs_backward && node->op->early_grad && node->out == plan->loss;
    if (!node->runs_backward)
        return PKM_OK;
    if (node->op->backward == NULL)
        return pkm_fail(PKM_ERR_UNSUPPORTED,
                        "node '%s': a gradient is wanted behind it, but '%s' is not differentiable",
                        node->name, node->op->name);
    for (int k = 0; k < node->n_param; k++)
        node->param_adds[k] = param_written(plan->tape, index, k);
    for (int k = 0; k < node->n_in; k++)
        PKM_TRY(plan_input_grad(plan, node, index, k));
    return PKM_OK;
}

/* Backward over the list from the loss: which nodes run, what they write and what they add to. */
static pkm_status plan_gradients(pkm_plan *plan)
{
    pkm_tape *tape = plan->tape;
    pkm_tape_entry *loss;

    for (int i = 0; i < tape->n_entries; i++) {
        tape->entries[i]->tensor.has_grad = false;
        tape->entries[i]->grad_place = -1;
    }
    for (int i = 0; i < tape->n_nodes; i++)
        tape->nodes[i]->runs_backward = tape->nodes[i]->ends_tape = false;
    if (plan->loss == NULL)
        return PKM_OK;
    mark_behind(tape);
    loss = pkm_tape_entry_of(tape, plan->loss);
    loss->tensor.has_grad = loss->behind;
    if (loss->behind)
        PKM_TRY(place_add(plan, &loss->grad_place, plan->loss, tape->n_nodes - 1,
                          backward_time(plan, loss->producer)));
    for (int i = tape->n_nodes - 1; i >= 0; i--)
        PKM_TRY(plan_node_backward(plan, i));
    return PKM_OK;
}

/* Lives of the tensors themselves: written by their producer, read forward and backward. */
static pkm_status plan_data(pkm_plan *plan)
{
    pkm_tape *tape = plan->tape;

    for (int i = 0; i < tape->n_entries; i++) {
        pkm_tape_entry *entry = tape->entries[i];
        bool stays = entry->producer < 0 || entry->tensor.keep || &entry->tensor == plan->loss;
        int first = entry->producer < 0 ? 0 : entry->producer;

        PKM_TRY(
            place_add(plan, &entry->data_place, &entry->tensor, first, stays ? plan->end : first));
    }
    for (int i = 0; i < tape->n_nodes; i++) {
        const pkm_node *node = tape->nodes[i];
        int back = node->runs_backward ? backward_time(plan, i) : i;

        for (int k = 0; k < node->n_in; k++) {
            bool again = (node->op->backward_reads & (unsigned)PKM_READS_IN0 << k) != 0;

            live_until(plan, pkm_tape_entry_of(tape, node->in[k])->data_place, again ? back : i);
        }
        for (int k = 0; k < node->n_saved; k++)
            live_until(plan, pkm_tape_entry_of(tape, node->saved[k])->data_place, back);
        if ((node->op->backward_reads & PKM_READS_OUT) != 0)
            live_until(plan, pkm_tape_entry_of(tape, node->out)->data_place, back);
    }
    return PKM_OK;
}

/* What nodes hold is in use all the time. Their places come last, in the order of nodes. */
static void plan_held(pkm_plan *plan)
{
    for (int i = 0; i < plan->tape->n_nodes; i++) {
        const pkm_node *node = plan->tape->nodes[i];

        if (node->op->held != NULL)
            plan->places[plan->n_places++] =
                (pkm_place){.last = plan->end, .bytes = node->op->held(node)};
    }
}

static size_t largest_workspace(const pkm_plan *plan)
{
    size_t largest = 0;

    for (int i = 0; i < plan->tape->n_nodes; i++) {
        const pkm_node *node = plan->tape->nodes[i];
        size_t bytes = node->op->workspace != NULL ? node->op->workspace(node, plan->max_rows) : 0;

        if (bytes > largest)
            largest = bytes;
    }
    return largest;
}

static pkm_status plan_check(const pkm_plan *plan)
{
    const pkm_tape *tape = plan->tape;
    const pkm_tensor *loss = plan->loss;

    if (tape->planned)
        return pkm_fail(PKM_ERR_STATE, "the tape is planned already");
    if (plan->max_rows < 1)
        return pkm_fail(PKM_ERR_ARG, "a tape is planned for %lld rows, must be positive",
                        (long long)plan->max_rows);
    if (loss == NULL)
        return PKM_OK;
    if (tape->mode != PKM_MODE_TRAIN)
        return pkm_fail(PKM_ERR_STATE, "tensor '%s' is a loss, but the tape does not train",
                        loss->name);
    if (pkm_tape_entry_of(tape, loss)->producer < 0 || loss->dtype != PKM_F32 ||
        pkm_tensor_width(loss) != 1)
        return pkm_fail(PKM_ERR_SHAPE, "tensor '%s' is no loss: wants a node's output [rows] f32",
                        loss->name);
    return PKM_OK;
}

/* Finds places for all tensors; plan->places is the caller's to free. */
static pkm_status plan_places(pkm_plan *plan)
{
    const pkm_tape *tape = plan->tape;
    size_t total;

    PKM_TRY(plan_check(plan));
    plan->end = plan->loss != NULL ? 2 * tape->n_nodes : tape->n_nodes;
    PKM_TRY(pkm_alloc_array(
        (void **)&plan->places,
        pkm_size_product(2, pkm_size_sum((size_t)tape->n_entries, (size_t)tape->n_nodes)),
        sizeof *plan->places, "planning a tape"));
    PKM_TRY(plan_gradients(plan));
    PKM_TRY(plan_data(plan));
    plan->first_held = plan->n_places;
    plan_held(plan);
    PKM_TRY(pkm_places_fit(plan->places, plan->n_places, &plan->workspace_offset));
    if (!pkm_size_add(plan->workspace_offset, largest_workspace(plan), &total))
        return pkm_fail(PKM_ERR_NOMEM, "the workspace of the tape is too large");
    plan->arena_bytes = total;
    return PKM_OK;
}

/* Allocates the arena and points every tensor at its place. */
static pkm_status plan_apply(const pkm_plan *plan)
{
    pkm_tape *tape = plan->tape;
    void *arena;

    for (int i = 0; i < tape->n_nodes; i++)
        if (tape->nodes[i]->op->prepare != NULL)
            PKM_TRY(tape->nodes[i]->op->prepare(tape->nodes[i], plan->max_rows));
    PKM_TRY(pkm_pages_alloc(&arena, plan->arena_bytes, "the activations of the tape"));
    tape->arena = arena;
    for (int i = 0; i < tape->n_entries; i++) {
        pkm_tape_entry *entry = tape->entries[i];

        entry->tensor.data = tape->arena + plan->places[entry->data_place].offset;
        if (entry->tensor.has_grad)
            entry->tensor.grad = tape->arena + plan->places[entry->grad_place].offset;
    }
    for (int i = 0, place = plan->first_held; i < tape->n_nodes; i++)
        if (tape->nodes[i]->op->held != NULL)
            tape->nodes[i]->held = tape->arena + plan->places[place++].offset;
    tape->arena_bytes = plan->arena_bytes;
    tape->workspace_offset = plan->workspace_offset;
    tape->max_rows = plan->max_rows;
    tape->threads = pkm_threads();
    tape->loss = plan->loss;
    tape->planned = true;
    return PKM_OK;
}

pkm_status pkm_tape_plan(pkm_tape *tape, int64_t max_rows, pkm_tensor *loss)
{
    pkm_plan plan = {.tape = tape, .max_rows = max_rows, .loss = loss};
    pkm_status status = plan_places(&plan);

    if (status == PKM_OK)
        status = plan_apply(&plan);
    pkm_free(plan.places);
    return status;
}

pkm_status pkm_tape_measure(pkm_tape *tape, int64_t max_rows, pkm_tensor *loss, size_t *bytes)
{
    pkm_plan plan = {.tape = tape, .max_rows = max_rows, .loss = loss};
    pkm_status status = plan_places(&plan);

    if (status == PKM_OK)
        *bytes = plan.arena_bytes;
    pkm_free(plan.places);
    return status;
}

size_t pkm_tape_bytes(const pkm_tape *tape)
{
    return tape->arena_bytes;
}
