/* SPDX-License-Identifier: Apache-2.0 */
/* Running a planned tape: forward, backward, and what to ask of it afterwards. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/dtype.h"
#include "base/threads.h"
#include "graph/tape_private.h"

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

pkm_status pkm_tape_forward(pkm_tape *tape, const pkm_run *run)
{
    pkm_run own = *run;

    PKM_TRY(check_run(tape, run));
    own.workspace = tape->arena + tape->workspace_offset;
    for (int i = 0; i < tape->n_nodes; i++) {
        pkm_node *node = tape->nodes[i];
        uint64_t start = pkm_clock_ns();
        pkm_status status = node->op->forward(node, &own);

        if (status != PKM_OK)
            return failed_at(node, status);
        node->forward_ns += pkm_clock_ns() - start;
        node->runs++;
    }
    return PKM_OK;
}

pkm_status pkm_tape_backward(pkm_tape *tape, const pkm_run *run, const float *seed_grad)
{
    pkm_run own = *run;

    PKM_TRY(check_run(tape, run));
    if (tape->loss == NULL)
        return pkm_fail(PKM_ERR_STATE, "the tape is planned without a loss: no backward");
    own.workspace = tape->arena + tape->workspace_offset;
    if (tape->loss->has_grad)
        memcpy(tape->loss->grad, seed_grad, (size_t)run->n_rows * sizeof *seed_grad);
    for (int i = tape->n_nodes - 1; i >= 0; i--) {
        pkm_node *node = tape->nodes[i];
        uint64_t start = pkm_clock_ns();
        pkm_status status = node->runs_backward ? node->op->backward(node, &own) : PKM_OK;

        if (status != PKM_OK)
            return failed_at(node, status);
        node->backward_ns += pkm_clock_ns() - start;
    }
    return PKM_OK;
}

/* Index of the first element that is not finite; `count` if all are. */
static int64_t first_not_finite(const pkm_tensor *tensor, int64_t count)
{
    const float *f32 = tensor->data;
    const uint16_t *bf16 = tensor->data;
    int64_t i = 0;

    if (tensor->dtype == PKM_F32)
        while (i < count && isfinite(f32[i]))
            i++;
    else if (tensor->dtype == PKM_BF16)
        while (i < count && isfinite(pkm_bf16_to_f32(bf16[i])))
            i++;
    else
        return count;
    return i;
}

/* Whether the tensor still holds its values after the forward pass. */
static bool outlives_forward(const pkm_tape *tape, const pkm_tape_entry *entry)
{
    return entry->data_last >= tape->n_nodes - 1;
}

pkm_status pkm_tape_check_finite(const pkm_tape *tape, int64_t n_rows)
{
    for (int i = 0; i < tape->n_entries; i++) {
        const pkm_tape_entry *entry = tape->entries[i];
        int64_t width = pkm_tensor_width(&entry->tensor);
        int64_t at;

        if (entry->is_saved || !outlives_forward(tape, entry))
            continue;
        at = first_not_finite(&entry->tensor, n_rows * width);
        if (at < n_rows * width)
            return pkm_fail(PKM_ERR_NUMERIC,
                            "tensor '%s' holds a NaN or an infinity at row %lld, column %lld",
                            entry->name, (long long)(at / width), (long long)(at % width));
    }
    return PKM_OK;
}

void pkm_tape_profile_reset(pkm_tape *tape)
{
    for (int i = 0; i < tape->n_nodes; i++) {
        pkm_node *node = tape->nodes[i];

        node->forward_ns = node->backward_ns = node->runs = 0;
    }
}
