/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head and its loss in one: logits = x W^T, loss = -ln softmax(logits)[target]. Logits exist
 * for a block of rows only. Training keeps p - onehot(target) of all rows in the compute dtype:
 * computing the logits again in backward would cost a third product over the vocabulary.
 */
#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/values.h"

/*
 * Logits of THREAD_ROWS rows per thread exist at a time: what a thread computes it reads again
 * while it is in a cache near it. Cut there, products have the same bits for any number of threads.
 */
enum { THREAD_ROWS = PKM_DENSE_BLOCK_ROWS, SCALED_ROWS = 32 };

static int64_t vocabulary(const pkm_node *node)
{
    return node->param[0]->spec.dims[0];
}

static int64_t block_rows(void)
{
    return (int64_t)THREAD_ROWS * pkm_threads();
}

static pkm_status cross_entropy_shape(pkm_node *node)
{
    int64_t dim;

    PKM_TRY(pkm_rule_counts(node, 2, 1, 1));
    PKM_TRY(pkm_rule_float(node, 0));
    dim = pkm_tensor_width(node->in[0]);
    PKM_TRY(pkm_rule_input(node, 1, PKM_I32, 1));
    PKM_TRY(pkm_rule_param(node, 0, -1, dim));
    pkm_rule_output(node, PKM_F32, 0);
    if (node->mode != PKM_MODE_TRAIN)
        return PKM_OK;
    return pkm_node_save(node, "slope", node->in[0]->dtype, vocabulary(node)); /* p - onehot */
}

static pkm_status cross_entropy_prepare(pkm_node *node, int64_t max_rows)
{
    pkm_dense_config config = {
        .n_in = pkm_tensor_width(node->in[0]),
        .n_out = vocabulary(node),
        .layout = PKM_WEIGHT_OUT_IN,
        .compute = node->in[0]->dtype,
        .backward = node->mode == PKM_MODE_TRAIN,
        .max_rows = max_rows,
    };

    return pkm_param_use_dense(node->param[0], &config);
}

/* Forward: the logits of a block. Backward: dx before its scale (f32), then scaled x. */
static size_t cross_entropy_workspace(const pkm_node *node, int64_t max_rows)
{
    size_t dim = (size_t)pkm_tensor_width(node->in[0]), f32 = sizeof(float);
    size_t element = pkm_size_sum(f32, pkm_dtype_bytes(node->in[0]->dtype));
    size_t rows = (size_t)pkm_min_i64(block_rows(), max_rows);
    size_t forward = pkm_size_product(rows, pkm_size_product((size_t)vocabulary(node), f32));
    size_t backward = pkm_size_product((size_t)max_rows, pkm_size_product(dim, element));

    if (node->mode != PKM_MODE_TRAIN)
        return forward;
    return forward > backward ? forward : backward;
}

typedef struct loss_job {
    const pkm_node *node;
    float *logits; /* [rows of the block, V] */
    int64_t first; /* row of the run that the block starts with */
    int64_t n_rows, vocabulary;
} loss_job;

/* saved = p - onehot(target) of one row, from exp(logit - max) and its sum. */
static void save_slope(const loss_job *job, const float *powers, float sum, int64_t row)
{
    const pkm_tensor *slope = job->node->saved[0];
    int32_t target = ((const int32_t *)job->node->in[1]->data)[row];
    float part[PKM_VALUES_CHUNK];

    for (int64_t i = 0; i < job->vocabulary; i += PKM_VALUES_CHUNK) {
        int64_t count = pkm_min_i64(job->vocabulary - i, PKM_VALUES_CHUNK);

        pkm_kernels_get()->vector_scale(part, powers + i, target < 0 ? 0.0f : 1.0f / sum, count);
        if (target >= i && target < i + count)
            part[target - i] -= 1.0f;
        pkm_values_write(slope->data, slope->dtype, row * job->vocabulary + i, count, part, false);
    }
}

static void loss_row(int64_t block_row, int thread, void *user)
{
    const loss_job *job = user;
    const pkm_node *node = job->node;
    int64_t row = job->first + block_row;
    int32_t target = ((const int32_t *)node->in[1]->data)[row];
    float *logits = job->logits + block_row * job->vocabulary;
    float wanted = target < 0 ? 0 : logits[target];
    float top, sum;

    (void)thread;
    top = pkm_kernels_get()->row_max(logits, job->vocabulary);
    sum = pkm_kernels_get()->exp_shift(logits, logits, 1, top, job->vocabulary);
    ((float *)node->out->data)[row] =
        target < 0 ? 0 : (float)(log((double)sum) + (double)top - (double)wanted);
    if (node->n_saved > 0)
        save_slope(job, logits, sum, row);
}

static pkm_status cross_entropy_forward(pkm_node *node, const pkm_run *run)
{
    const pkm_tensor *x = node->in[0];
    size_t row_bytes = (size_t)pkm_tensor_width(x) * pkm_dtype_bytes(x->dtype);
    loss_job job = {.node = node, .logits = run->workspace, .vocabulary = vocabulary(node)};

    PKM_TRY(pkm_rule_indices(node->in[1], run->n_rows, -1, job.vocabulary));
    for (; job.first < run->n_rows; job.first += job.n_rows) {
        job.n_rows = pkm_min_i64(block_rows(), run->n_rows - job.first);
        PKM_TRY(pkm_dense_forward(node->param[0]->dense, job.logits, PKM_F32,
                                  (const char *)x->data + (size_t)job.first * row_bytes, NULL,
                                  job.n_rows));
        pkm_parallel(job.n_rows, loss_row, &job);
    }
    return PKM_OK;
}

typedef struct scale_job {
    const pkm_node *node;
    int64_t n_rows, dim;
    float *dx;      /* [n_rows, dim] */
    void *scaled_x; /* [n_rows, dim] compute */
} scale_job;

/* Row by row in stretches: to = or += factor * from. */
static void scale_row(void *to, const void *from, pkm_dtype to_dtype, pkm_dtype from_dtype,
                      float factor, int64_t row, int64_t dim, bool add)
{
    float part[PKM_VALUES_CHUNK];

    for (int64_t i = 0; i < dim; i += PKM_VALUES_CHUNK) {
        int64_t count = pkm_min_i64(dim - i, PKM_VALUES_CHUNK);
        const float *values = pkm_values_read(from, from_dtype, row * dim + i, count, part);

        pkm_kernels_get()->vector_scale(part, values, factor, count);
        pkm_values_write(to, to_dtype, row * dim + i, count, part, add);
    }
}

static void scale_x(int64_t block, int thread, void *user)
{
    const scale_job *job = user;
    const pkm_tensor *x = job->node->in[0];
    const float *seed = job->node->out->grad;
    int64_t last = pkm_min_i64((block + 1) * SCALED_ROWS, job->n_rows);

    (void)thread;
    for (int64_t row = block * SCALED_ROWS; row < last; row++)
        scale_row(job->scaled_x, x->data, x->dtype, x->dtype, seed[row], row, job->dim, false);
}

static void scale_dx(int64_t block, int thread, void *user)
{
    const scale_job *job = user;
    const pkm_tensor *x = job->node->in[0];
    const float *seed = job->node->out->grad;
    int64_t last = pkm_min_i64((block + 1) * SCALED_ROWS, job->n_rows);

    (void)thread;
    for (int64_t row = block * SCALED_ROWS; row < last; row++)
        scale_row(x->grad, job->dx, x->dtype, PKM_F32, seed[row], row, job->dim,
                  job->node->in_adds[0]);
}

/*
 * With g = p - onehot(target) (0 where there is no target) and s = d loss per row:
 *   dx = s (g W);   dW = g^T (s x)
 * The factor s goes to the small operands, not to g, which is vocabulary wide.
 */
static pkm_status cross_entropy_backward(pkm_node *node, const pkm_run *run)
{
    pkm_param *weight = node->param[0];
    const void *slope = node->saved[0]->data;
    scale_job job = {.node = node, .n_rows = run->n_rows, .dim = pkm_tensor_width(node->in[0])};
    int64_t n_blocks = pkm_ceil_div(run->n_rows, SCALED_ROWS);
    pkm_dense_grads grads = {.weight = weight->grad,
                             .add_weight = pkm_node_adds_param(node, 0, run)};

    job.dx = run->workspace;
    job.scaled_x = job.dx + run->n_rows * job.dim;
    if (node->in_wanted[0]) {
        PKM_TRY(
            pkm_dense_backward_input(weight->dense, job.dx, PKM_F32, slope, run->n_rows, false));
        pkm_parallel(n_blocks, scale_dx, &job);
    }
    if (weight->grad == NULL)
        return PKM_OK;
    pkm_parallel(n_blocks, scale_x, &job);
    return pkm_dense_backward_weight(weight->dense, &grads, job.scaled_x, slope, run->n_rows);
}

static pkm_cost cross_entropy_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    double rows = (double)n_rows, weights = (double)node->param[0]->count;
    double element = (double)pkm_dtype_bytes(node->in[0]->dtype);
    double slopes = node->n_saved > 0 ? element * rows * (double)vocabulary(node) : 0;
    pkm_cost once = {.flops = 2 * rows * weights, .bytes = slopes + element * weights};

    return backward ? (pkm_cost){2 * once.flops, 2 * once.bytes + 4 * weights} : once;
}

/* size: dim, vocabulary */
static const pkm_op_case cross_entropy_cases[] = {{5, {4, 7}}, {20, {6, 1100}}};

const pkm_op pkm_op_cross_entropy = {
    .name = "cross_entropy",
    .shape = cross_entropy_shape,
    .prepare = cross_entropy_prepare,
    .workspace = cross_entropy_workspace,
    .forward = cross_entropy_forward,
    .backward = cross_entropy_backward,
    .cost = cross_entropy_cost,
    .backward_reads = PKM_READS_IN0,
    .cases = cross_entropy_cases,
    .n_cases = sizeof cross_entropy_cases / sizeof cross_entropy_cases[0],
};
