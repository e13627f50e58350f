/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalisation (Ba et al. 2016) of the fp32 residual stream, row by row. */
#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/values.h"

enum { FORWARD_ROWS = 32, GRADIENT_BLOCKS = 64, SUM_COLUMNS = 64 };

static pkm_status layer_norm_shape(pkm_node *node)
{
    const pkm_layer_norm_attr *attr = node->attr;
    int64_t dim;

    PKM_TRY(pkm_rule_counts(node, 1, 2, 2));
    dim = pkm_tensor_width(node->in[0]);
    PKM_TRY(pkm_rule_input(node, 0, PKM_F32, dim));
    PKM_TRY(pkm_rule_param(node, 0, dim, 0));
    PKM_TRY(pkm_rule_param(node, 1, dim, 0));
    if (!(attr->epsilon > 0))
        return pkm_fail(PKM_ERR_ARG, "epsilon is %g, must be positive", (double)attr->epsilon);
    pkm_rule_output(node, attr->out_dtype, dim);
    return pkm_node_save(node, "stats", PKM_F32, 2); /* mean, rstd */
}

typedef struct norm_job {
    pkm_node *node;
    int64_t n_rows, dim;
    pkm_norm_stats *stats; /* [n_rows] */
    float *partial;        /* [GRADIENT_BLOCKS, 2, dim]: dgamma and dbeta of each block of rows */
    float *scratch;        /* [threads, dim] */
    int64_t n_blocks;      /* of rows, at most GRADIENT_BLOCKS */
    bool add[2];           /* to the gradients of gamma and beta */
} norm_job;

static norm_job job_of(pkm_node *node, const pkm_run *run)
{
    int64_t dim = pkm_tensor_width(node->out);
    float *workspace = run->workspace;

    return (norm_job){
        .node = node,
        .n_rows = run->n_rows,
        .dim = dim,
        .stats = node->saved[0]->data,
        .scratch = workspace,
        .partial = workspace + pkm_threads() * dim,
        .n_blocks = pkm_min_i64(run->n_rows, GRADIENT_BLOCKS),
        .add = {pkm_node_adds_param(node, 0, run), pkm_node_adds_param(node, 1, run)},
    };
}

static size_t layer_norm_workspace(const pkm_node *node, int64_t max_rows)
{
    size_t rows = pkm_size_sum((size_t)pkm_threads(), 2 * GRADIENT_BLOCKS);

    (void)max_rows;
    return pkm_size_product(rows,
                            pkm_size_product((size_t)pkm_tensor_width(node->out), sizeof(float)));
}

static void forward_rows(int64_t block, int thread, void *user)
{
    const norm_job *job = user;
    const pkm_node *node = job->node;
    const pkm_layer_norm_attr *attr = node->attr;
    const pkm_kernels *kernels = pkm_kernels_get();
    int64_t dim = job->dim;
    int64_t last = pkm_min_i64((block + 1) * FORWARD_ROWS, job->n_rows);

    for (int64_t row = block * FORWARD_ROWS; row < last; row++) {
        const float *x = (const float *)node->in[0]->data + row * dim;
        float *y = node->out->dtype == PKM_F32 ? (float *)node->out->data + row * dim
                                               : job->scratch + thread * dim;

        job->stats[row] = kernels->norm_moments(x, dim, attr->epsilon);
        kernels->norm_forward(y, x, node->param[0]->data, node->param[1]->data, job->stats[row],
                              dim);
        pkm_values_write(node->out->data, node->out->dtype, row * dim, dim, y, false);
    }
}

static pkm_status layer_norm_forward(pkm_node *node, const pkm_run *run)
{
    norm_job job = job_of(node, run);

    pkm_parallel(pkm_ceil_div(job.n_rows, FORWARD_ROWS), forward_rows, &job);
    return PKM_OK;
}

static void backward_rows(int64_t block, int thread, void *user)
{
    const norm_job *job = user;
    const pkm_node *node = job->node;
    const pkm_tensor *in = node->in[0], *out = node->out;
    int64_t dim = job->dim;
    float *dgamma = job->partial + 2 * block * dim, *dbeta = dgamma + dim;
    float *scratch = job->scratch + thread * dim;
    int64_t last = job->n_rows * (block + 1) / job->n_blocks;

    memset(dgamma, 0, 2 * (size_t)dim * sizeof *dgamma);
    for (int64_t row = job->n_rows * block / job->n_blocks; row < last; row++) {
        const float *dy = pkm_values_read(out->grad, out->dtype, row * dim, dim, scratch);
        float *dx = node->in_wanted[0] ? (float *)in->grad + row * dim : scratch;

        pkm_kernels_get()->norm_backward(dx, dgamma, dbeta, dy, (const float *)in->data + row * dim,
                                         node->param[0]->data, job->stats[row], dim,
                                         node->in_wanted[0] && node->in_adds[0]);
    }
}

/* The sums over the blocks of rows, in their order, for a stretch of columns. */
static void sum_columns(int64_t block, int thread, void *user)
{
    const norm_job *job = user;
    int64_t first = block * SUM_COLUMNS;
    int64_t count = pkm_min_i64(job->dim - first, SUM_COLUMNS);

    (void)thread;
    for (int which = 0; which < 2; which++) {
        float *grad = job->node->param[which]->grad;

        if (grad == NULL)
            continue;
        if (!job->add[which])
            memset(grad + first, 0, (size_t)count * sizeof *grad);
        for (int64_t b = 0; b < job->n_blocks; b++)
            pkm_kernels_get()->vector_add(grad + first, grad + first,
                                          job->partial + (2 * b + which) * job->dim + first, count);
    }
}

/*
 * With h = (x - mean) rstd and g = dy gamma, mean and rstd depend on every x of the row:
 *   dx = rstd (g - mean(g) - h mean(g h));  dgamma = sum over rows of dy h;  dbeta = sum of dy.
 * The rows are cut into at most GRADIENT_BLOCKS blocks whose sums are added in order.
 */
static pkm_status layer_norm_backward(pkm_node *node, const pkm_run *run)
{
    norm_job job = job_of(node, run);

    pkm_parallel(job.n_blocks, backward_rows, &job);
    pkm_parallel(pkm_ceil_div(job.dim, SUM_COLUMNS), sum_columns, &job);
    return PKM_OK;
}

static pkm_cost layer_norm_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    double elements = (double)n_rows * (double)pkm_tensor_width(node->out);
    double out_bytes = node->out->dtype == PKM_BF16 ? 2 : 4;

    return backward ? (pkm_cost){16 * elements, (8 + out_bytes) * elements}
                    : (pkm_cost){8 * elements, (4 + out_bytes) * elements};
}

/* size: dim */
static const pkm_op_case layer_norm_cases[] = {{5, {7}}, {130, {48}}};

const pkm_op pkm_op_layer_norm = {
    .name = "layer_norm",
    .shape = layer_norm_shape,
    .workspace = layer_norm_workspace,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
    .cost = layer_norm_cost,
    .backward_reads = PKM_READS_IN0,
    .cases = layer_norm_cases,
    .n_cases = sizeof layer_norm_cases / sizeof layer_norm_cases[0],
};
