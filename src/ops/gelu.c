/* SPDX-License-Identifier: Apache-2.0 */
/* GELU (Hendrycks and Gimpel 2016) in the tanh form that GPT-2 uses. */
#include "base/dtype.h"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/values.h"

static pkm_status gelu_shape(pkm_node *node)
{
    PKM_TRY(pkm_rule_counts(node, 1, 0, 0));
    PKM_TRY(pkm_rule_float(node, 0));
    pkm_rule_output(node, node->in[0]->dtype, pkm_tensor_width(node->in[0]));
    return PKM_OK;
}

static void forward_chunk(int64_t first, int64_t count, void *user)
{
    const pkm_node *node = user;
    const pkm_tensor *in = node->in[0];
    float x[PKM_VALUES_CHUNK], y[PKM_VALUES_CHUNK];

    pkm_kernels_get()->gelu(y, pkm_values_read(in->data, in->dtype, first, count, x), count);
    pkm_values_write(node->out->data, node->out->dtype, first, count, y, false);
}

static pkm_status gelu_forward(pkm_node *node, const pkm_run *run)
{
    pkm_values_parallel(run->n_rows * pkm_tensor_width(node->out), forward_chunk, node);
    return PKM_OK;
}

static void backward_chunk(int64_t first, int64_t count, void *user)
{
    const pkm_node *node = user;
    const pkm_tensor *in = node->in[0], *out = node->out;
    float x[PKM_VALUES_CHUNK], dy[PKM_VALUES_CHUNK], dx[PKM_VALUES_CHUNK];

    pkm_kernels_get()->gelu_backward(dx, pkm_values_read(out->grad, out->dtype, first, count, dy),
                                     pkm_values_read(in->data, in->dtype, first, count, x), count);
    pkm_values_write(in->grad, in->dtype, first, count, dx, node->in_adds[0]);
}

/* dx = dy (s + x s (1 - s) 2 u'),  s = 1 / (1 + exp(-2 u)),  u' = sqrt(2/pi) (1 + 0.134145 x^2) */
static pkm_status gelu_backward(pkm_node *node, const pkm_run *run)
{
    pkm_values_parallel(run->n_rows * pkm_tensor_width(node->out), backward_chunk, node);
    return PKM_OK;
}

static pkm_cost gelu_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    double elements = (double)n_rows * (double)pkm_tensor_width(node->out);
    double bytes = elements * (double)pkm_dtype_bytes(node->out->dtype);

    return backward ? (pkm_cost){40 * elements, 3 * bytes} : (pkm_cost){25 * elements, 2 * bytes};
}

/* size: width */
static const pkm_op_case gelu_cases[] = {{3, {5}}, {40, {100}}};

const pkm_op pkm_op_gelu = {
    .name = "gelu",
    .shape = gelu_shape,
    .forward = gelu_forward,
    .backward = gelu_backward,
    .cost = gelu_cost,
    .backward_reads = PKM_READS_IN0,
    .cases = gelu_cases,
    .n_cases = sizeof gelu_cases / sizeof gelu_cases[0],
};
