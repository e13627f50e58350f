/* SPDX-License-Identifier: Apache-2.0 */
/* Token and position embeddings: the start of the residual stream. */
#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/values.h"

/* Rows of a table are dealt to this many owners, round robin: frequent ids are the low ones. */
enum { FORWARD_ROWS = 32, OWNERS = 64 };

static pkm_status embed_shape(pkm_node *node)
{
    const pkm_embed_attr *attr = node->attr;
    int64_t dim;

    PKM_TRY(pkm_rule_counts(node, 2, 2, 2));
    PKM_TRY(pkm_rule_dropout(attr->dropout));
    PKM_TRY(pkm_rule_input(node, 0, PKM_I32, 1));
    PKM_TRY(pkm_rule_input(node, 1, PKM_I32, 1));
    PKM_TRY(pkm_rule_param(node, 0, -1, -1));
    dim = node->param[0]->spec.dims[1];
    PKM_TRY(pkm_rule_param(node, 1, -1, dim));
    pkm_rule_output(node, PKM_F32, dim);
    return PKM_OK;
}

typedef struct embed_job {
    const pkm_node *node;
    int64_t n_rows, first_row, dim;
    float dropout;
    pkm_rng rng;
    float *scratch;       /* [threads, dim] */
    pkm_param *table;     /* whose gradient is summed, */
    const int32_t *index; /* the row of it that each row read, */
    bool add;             /* and whether it has been written already */
} embed_job;

static embed_job job_of(const pkm_node *node, const pkm_run *run)
{
    const pkm_embed_attr *attr = node->attr;

    return (embed_job){
        .node = node,
        .n_rows = run->n_rows,
        .first_row = run->first_row,
        .dim = pkm_tensor_width(node->out),
        .dropout = node->mode == PKM_MODE_TRAIN ? attr->dropout : 0,
        .rng = {run->seed, pkm_rng_stream(node->name), (uint32_t)run->step},
        .scratch = run->workspace,
    };
}

static size_t embed_workspace(const pkm_node *node, int64_t max_rows)
{
    (void)max_rows;
    return pkm_size_product((size_t)pkm_threads(),
                            pkm_size_product((size_t)pkm_tensor_width(node->out), sizeof(float)));
}

/* out = values of one row, dropped where this row's draws say so; out may be values. */
static const float *drop_row(const embed_job *job, float *out, const float *values, int64_t row)
{
    if (job->dropout <= 0)
        return values;
    return pkm_values_dropout(out, values, job->dim, job->dropout, &job->rng,
                              (uint64_t)((job->first_row + row) * job->dim));
}

static void forward_rows(int64_t block, int thread, void *user)
{
    const embed_job *job = user;
    const pkm_node *node = job->node;
    const int32_t *id = node->in[0]->data, *position = node->in[1]->data;
    int64_t dim = job->dim, last = pkm_min_i64((block + 1) * FORWARD_ROWS, job->n_rows);

    (void)thread;
    for (int64_t row = block * FORWARD_ROWS; row < last; row++) {
        float *out = (float *)node->out->data + row * dim;

        pkm_kernels_get()->vector_add(
            out, pkm_param_row(node->param[0], id[row], out),
            pkm_param_row(node->param[1], position[row], job->scratch + thread * dim), dim);
        drop_row(job, out, out, row);
    }
}

static pkm_status embed_forward(pkm_node *node, const pkm_run *run)
{
    embed_job job = job_of(node, run);

    for (int i = 0; i < 2; i++)
        PKM_TRY(pkm_rule_indices(node->in[i], run->n_rows, 0, node->param[i]->spec.dims[0]));
    pkm_parallel(pkm_ceil_div(job.n_rows, FORWARD_ROWS), forward_rows, &job);
    return PKM_OK;
}

/* The table's rows of one owner: those with row % OWNERS == owner, their hits in order of rows. */
static void sum_owned(int64_t owner, int thread, void *user)
{
    const embed_job *job = user;
    const float *dout = job->node->out->grad;
    float *grad = job->table->grad;
    float *scratch = job->scratch + thread * job->dim;
    int64_t dim = job->dim;

    for (int64_t row = owner; !job->add && row < job->table->spec.dims[0]; row += OWNERS)
        memset(grad + row * dim, 0, (size_t)dim * sizeof *grad);
    for (int64_t row = 0; row < job->n_rows; row++) {
        float *to = grad + job->index[row] * dim;

        if (job->index[row] % OWNERS == owner)
            pkm_kernels_get()->vector_add(to, to, drop_row(job, scratch, dout + row * dim, row),
                                          dim);
    }
}

/* dwte[id] and dwpe[position] are the sums of the rows of dout that read them. */
static pkm_status embed_backward(pkm_node *node, const pkm_run *run)
{
    embed_job job = job_of(node, run);

    for (int i = 0; i < 2; i++) {
        job.table = node->param[i];
        job.index = node->in[i]->data;
        job.add = pkm_node_adds_param(node, i, run);
        if (job.table->grad != NULL)
            pkm_parallel(OWNERS, sum_owned, &job);
    }
    return PKM_OK;
}

static pkm_cost embed_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    double elements = (double)n_rows * (double)pkm_tensor_width(node->out);

    return backward ? (pkm_cost){2 * elements, 20 * elements} : (pkm_cost){elements, 12 * elements};
}

/* size: dim, vocabulary, positions, dropout in percent */
static const pkm_op_case embed_cases[] = {
    {9, {3, 5, 4, 0}}, {40, {16, 100, 70, 0}}, {7, {8, 3, 9, 30}}};

const pkm_op pkm_op_embed = {
    .name = "embed",
    .shape = embed_shape,
    .workspace = embed_workspace,
    .forward = embed_forward,
    .backward = embed_backward,
    .cost = embed_cost,
    .backward_reads = PKM_READS_IN0 | PKM_READS_IN1,
    .cases = embed_cases,
    .n_cases = sizeof embed_cases / sizeof embed_cases[0],
};
