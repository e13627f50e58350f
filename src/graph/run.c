/* SPDX-License-Identifier: Apache-2.0 */
/* Running a planned tape: forward, backward, and what to ask of it afterwards. */
#include <string.h>

#include "base/clock.h"
#include "base/threads.h"
#include "graph/tape_private.h"
#include "params/finite.h"

static pkm_status check_run(const pkm_tape *tape, const pkm_run *run)
{
    if (!tape->planned)
        return pkm_fail(PKM_ERR_STATE, "the tape is not planned yet");
    if (run->n_rows < 0 || run->n_rows > tape->max_rows)
        return pkm_fail(PKM_ERR_ARG, "a run of %lld rows: the tape is planned for 0 to %lld",
                        (long long)run->n_rows, (long long)tape->max_rows);
    if (pkm_threads() > tape->threads)
        return pkm_fail(PKM_ERR_STATE, "%d threads now: the tape is planned for at most %d",
                        pkm_threads(), tape->threads);
    return PKM_OK;
}

static pkm_status failed_at(const pkm_node *node, pkm_status status)
{
    pkm_error_prefix("node '%s' (%s)", node->name, node->op->name);
    return status;
}

static pkm_status look_at(const char *what, const char *name, const void *data, pkm_dtype dtype,
                          int64_t count)
{
    int64_t at = pkm_first_not_finite(data, dtype, count);

    if (at < count)
        return pkm_fail(PKM_ERR_NUMERIC,
                        "%s '%s' holds a NaN or an infinity at element %lld of %lld", what, name,
                        (long long)at, (long long)count);
    return PKM_OK;
}

static pkm_status look_at_output(const pkm_node *node, const pkm_run *run)
{
    const pkm_tensor *out = node->out;

    return look_at("tensor", out->name, out->data, out->dtype, run->n_rows * pkm_tensor_width(out));
}

static pkm_status look_at_gradients(const pkm_node *node, const pkm_run *run)
{
    for (int i = 0; i < node->n_in; i++) {
        const pkm_tensor *in = node->in[i];

        if (node->in_wanted[i])
            PKM_TRY(look_at("the gradient of tensor", in->name, in->grad, in->dtype,
                            run->n_rows * pkm_tensor_width(in)));
    }
    for (int i = 0; i < node->n_param; i++)
        if (node->param[i]->grad != NULL)
            PKM_TRY(look_at("the gradient of", node->param[i]->spec.name, node->param[i]->grad,
                            PKM_F32, node->param[i]->count));
    return PKM_OK;
}

/* One way through the list. */
typedef struct pass {
    pkm_tape *tape;
    pkm_run run; /* with the workspace */
    pkm_status status;
} pass;

static pkm_status forward_nodes(pkm_tape *tape, const pkm_run *run)
{
    for (int i = 0; i < tape->n_nodes; i++) {
        pkm_node *node = tape->nodes[i];
        uint64_t start = pkm_clock_ns();
        pkm_status status = node->op->forward(node, run);

        if (status == PKM_OK && run->watch)
            status = look_at_output(node, run);
        if (status != PKM_OK)
            return failed_at(node, status);
        node->forward_ns += pkm_clock_ns() - start;
        node->runs++;
    }
    return PKM_OK;
}

static pkm_status backward_nodes(pkm_tape *tape, const pkm_run *run)
{
    for (int i = tape->n_nodes - 1; i >= 0; i--) {
        pkm_node *node = tape->nodes[i];
        uint64_t start = pkm_clock_ns();
        pkm_status status = node->runs_backward ? node->op->backward(node, run) : PKM_OK;

        if (status == PKM_OK && node->runs_backward && run->watch)
            status = look_at_gradients(node, run);
        if (status != PKM_OK)
            return failed_at(node, status);
        node->backward_ns += pkm_clock_ns() - start;
    }
    return PKM_OK;
}

static void forward_pass(void *user)
{
    pass *p = user;

    p->status = forward_nodes(p->tape, &p->run);
}

static void backward_pass(void *user)
{
    pass *p = user;

    p->status = backward_nodes(p->tape, &p->run);
}

static pkm_status run_pass(pkm_tape *tape, const pkm_run *run, pkm_team_body body)
{
    pass p = {tape, *run, PKM_OK};

    p.run.workspace = tape->arena + tape->workspace_offset;
    pkm_team(body, &p);
    return p.status;
}

pkm_status pkm_tape_forward(pkm_tape *tape, const pkm_run *run)
{
    PKM_TRY(check_run(tape, run));
    return run_pass(tape, run, forward_pass);
}

pkm_status pkm_tape_backward(pkm_tape *tape, const pkm_run *run)
{
    PKM_TRY(check_run(tape, run));
    if (tape->loss == NULL)
        return pkm_fail(PKM_ERR_STATE, "the tape is planned without a loss: no backward");
    if (run->loss_grad == NULL)
        return pkm_fail(PKM_ERR_ARG, "backward without the gradient of the loss");
    if (tape->loss->has_grad)
        memcpy(tape->loss->grad, run->loss_grad, (size_t)run->n_rows * sizeof *run->loss_grad);
    return run_pass(tape, run, backward_pass);
}
