/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Causal self-attention (Vaswani et al. 2017). The work is cut into (run of rows of one sequence,
 * head) pairs, each computed whole by one thread, which alone writes that head's columns. Forward,
 * runs are short enough that a single sequence occupies many threads; backward, where all queries
 * add to the keys' gradients, they are whole sequences.
 */
#include "ops/attention.h"

#include <string.h>

#include "base/dtype.h"
#include "base/threads.h"
#include "ops/attention_head.h"
#include "ops/ops.h"
#include "ops/rules.h"

/* Adjacent rows of one sequence. */
typedef struct row_span {
    int64_t row, n_rows;
    int64_t sequence, position; /* of the first row */
    int64_t first_row;          /* of the sequence's rows in this run */
} row_span;

static int64_t model_dim(const pkm_node *node)
{
    return pkm_tensor_width(node->out);
}

static pkm_status check_cache(const pkm_node *node, int64_t dim)
{
    const pkm_attention_attr *attr = node->attr;
    const pkm_kv_cache_config *cache;

    if (attr->cache == NULL)
        return pkm_fail(PKM_ERR_ARG, "decoding needs a KV cache");
    cache = &attr->cache->config;
    if (cache->dim != dim || cache->dtype != node->in[0]->dtype ||
        cache->seq_len != attr->seq_len || attr->layer < 0 || attr->layer >= cache->n_layers)
        return pkm_fail(PKM_ERR_SHAPE,
                        "the KV cache (%lld layers of %lld positions, width %lld) does not fit "
                        "layer %lld of %lld positions, width %lld",
                        (long long)cache->n_layers, (long long)cache->seq_len,
                        (long long)cache->dim, (long long)attr->layer, (long long)attr->seq_len,
                        (long long)dim);
    return PKM_OK;
}

static pkm_status attention_shape(pkm_node *node)
{
    const pkm_attention_attr *attr = node->attr;
    int64_t width;

    PKM_TRY(pkm_rule_counts(node, 3, 0, 0));
    PKM_TRY(pkm_rule_float(node, 0));
    PKM_TRY(pkm_rule_input(node, 1, PKM_I32, 1));
    PKM_TRY(pkm_rule_input(node, 2, PKM_I32, 1));
    PKM_TRY(pkm_rule_dropout(attr->dropout));
    width = pkm_tensor_width(node->in[0]);
    if (attr->n_heads < 1 || attr->seq_len < 1 || width % (3 * attr->n_heads) != 0)
        return pkm_fail(PKM_ERR_SHAPE, "input '%s' has width %lld: not 3 x %lld heads",
                        node->in[0]->name, (long long)width, (long long)attr->n_heads);
    pkm_rule_output(node, node->in[0]->dtype, width / 3);
    if (node->mode == PKM_MODE_DECODE)
        return check_cache(node, width / 3);
    return node->mode == PKM_MODE_TRAIN ? pkm_node_save(node, "lse", PKM_F32, attr->n_heads)
                                        : PKM_OK;
}

static float dropout_of(const pkm_node *node)
{
    const pkm_attention_attr *attr = node->attr;

    return node->mode == PKM_MODE_TRAIN ? attr->dropout : 0;
}

typedef struct attention_job {
    const pkm_node *node;
    row_span *spans; /* [rows] */
    int64_t n_spans;
    pkm_attention_scratch *scratch; /* [threads] */
    pkm_rng rng;
    int64_t first_row;
} attention_job;

/* The workspace of a node: measured with a NULL base, laid out with a real one. */
static void take_workspace(attention_job *job, pkm_arena *arena, const pkm_node *node,
                           int64_t n_rows)
{
    const pkm_attention_attr *attr = node->attr;
    const pkm_attention_room room = {
        .head_dim = model_dim(node) / attr->n_heads,
        .max_keys =
            node->mode == PKM_MODE_DECODE ? attr->seq_len : pkm_min_i64(attr->seq_len, n_rows),
        .dtype = node->in[0]->dtype,
        .dropout = dropout_of(node) > 0,
        .backward = node->mode == PKM_MODE_TRAIN,
    };
    size_t n_threads = (size_t)pkm_threads();

    job->spans = pkm_arena_take(arena, (size_t)n_rows, sizeof *job->spans);
    job->scratch = pkm_arena_take(arena, n_threads, sizeof *job->scratch);
    for (size_t i = 0; i < n_threads; i++) {
        pkm_attention_scratch scratch;

        pkm_attention_scratch_take(&scratch, arena, &room);
        if (arena->base != NULL)
            job->scratch[i] = scratch;
    }
}

static size_t attention_workspace(const pkm_node *node, int64_t max_rows)
{
    attention_job job;
    pkm_arena arena = {0};

    take_workspace(&job, &arena, node, max_rows);
    return arena.used;
}

/* Lists the runs of at most `longest` rows with the same sequence. */
static pkm_status find_spans(attention_job *job, int64_t n_rows, int64_t longest)
{
    const pkm_node *node = job->node;
    const int32_t *sequence = node->in[1]->data, *position = node->in[2]->data;

    for (int64_t row = 0; row < n_rows; row++) {
        row_span *last = job->n_spans > 0 ? &job->spans[job->n_spans - 1] : NULL;
        bool same = row > 0 && sequence[row] == sequence[row - 1];

        if (same && position[row] != position[row - 1] + 1)
            return pkm_fail(PKM_ERR_ARG, "'%s' goes from %d to %d in sequence %d at row %lld",
                            node->in[2]->name, position[row - 1], position[row], sequence[row],
                            (long long)row);
        if (same && last->n_rows < longest)
            last->n_rows++;
        else
            job->spans[job->n_spans++] =
                (row_span){row, 1, sequence[row], position[row], same ? last->first_row : row};
    }
    return PKM_OK;
}

static pkm_status job_start(attention_job *job, pkm_node *node, const pkm_run *run, int64_t longest)
{
    pkm_arena arena = {.base = run->workspace};

    *job = (attention_job){
        .node = node,
        .rng = {run->seed, pkm_rng_stream(node->name), (uint32_t)run->step},
        .first_row = run->first_row,
    };
    take_workspace(job, &arena, node, run->n_rows);
    return find_spans(job, run->n_rows, longest);
}

/* Columns of part 0, 1, 2 (q, k, v) of a head, from `row` on, in a buffer shaped like qkv. */
static pkm_head_rows qkv_rows(const pkm_node *node, void *data, int64_t row, int64_t head, int part)
{
    const pkm_attention_attr *attr = node->attr;
    int64_t dim = model_dim(node);

    return (pkm_head_rows){
        .data = data,
        .dtype = node->in[0]->dtype,
        .first = row * 3 * dim + part * dim + head * (dim / attr->n_heads),
        .stride = 3 * dim,
    };
}

static pkm_head_rows out_rows(const pkm_node *node, void *data, const row_span *span, int64_t head)
{
    const pkm_attention_attr *attr = node->attr;
    int64_t dim = model_dim(node);

    return (pkm_head_rows){
        .data = data,
        .dtype = node->out->dtype,
        .first = span->row * dim + head * (dim / attr->n_heads),
        .stride = dim,
    };
}

/* Rows of a head in the cached keys or values, from position 0 of the span's sequence. */
static pkm_head_rows cache_rows(const pkm_node *node, void *data, const row_span *span,
                                int64_t head)
{
    const pkm_attention_attr *attr = node->attr;
    const pkm_kv_cache_config *cache = &attr->cache->config;
    int64_t sequence = attr->layer * cache->n_sequences + span->sequence;
    int64_t head_dim = cache->dim / attr->n_heads;

    return (pkm_head_rows){
        .data = data,
        .dtype = cache->dtype,
        .first = (sequence * attr->n_heads + head) * cache->seq_len * head_dim,
        .stride = head_dim,
    };
}

/* The span of pair `pair`. All heads of a span follow each other: their columns lie side by side in
 * memory. Threads take ranges of pairs, and the late spans of a sequence meet the most keys: spans
 * come in turn from both ends. */
static const row_span *span_of(const attention_job *job, int64_t pair)
{
    const pkm_attention_attr *attr = job->node->attr;
    int64_t i = pair / attr->n_heads;

    return &job->spans[i % 2 == 0 ? i / 2 : job->n_spans - 1 - i / 2];
}

/* What forward and backward share: the queries, keys and values of pair `pair`. */
static pkm_attention_head head_of(const attention_job *job, int64_t pair)
{
    const pkm_node *node = job->node;
    const pkm_attention_attr *attr = node->attr;
    const row_span *span = span_of(job, pair);
    int64_t index = pair % attr->n_heads;
    void *qkv = node->in[0]->data;
    uint64_t row = (uint64_t)(job->first_row + span->row);
    pkm_attention_head head = {
        .n_rows = span->n_rows,
        .n_before = span->row - span->first_row,
        .head_dim = model_dim(node) / attr->n_heads,
        .q = qkv_rows(node, qkv, span->row, index, 0),
        .k = qkv_rows(node, qkv, span->first_row, index, 1),
        .v = qkv_rows(node, qkv, span->first_row, index, 2),
        .out = out_rows(node, node->out->data, span, index),
        .dropout = dropout_of(node),
        .rng = &job->rng,
        .draw = (row * (uint64_t)attr->n_heads + (uint64_t)index) * (uint64_t)attr->seq_len,
        .draw_stride = (uint64_t)(attr->n_heads * attr->seq_len),
    };

    if (node->mode == PKM_MODE_DECODE) {
        head.n_before = span->position;
        head.k = cache_rows(node, attr->cache->keys, span, index);
        head.v = cache_rows(node, attr->cache->values, span, index);
    }
    if (node->n_saved > 0) {
        head.lse = (float *)node->saved[0]->data + span->row * attr->n_heads + index;
        head.lse_stride = attr->n_heads;
    }
    return head;
}

static void forward_pair(int64_t pair, int thread, void *user)
{
    const attention_job *job = user;
    pkm_attention_head head = head_of(job, pair);

    pkm_attention_head_forward(&head, &job->scratch[thread]);
}

/* to = part 1 or 2 (k or v) of a head's rows in qkv, behind the positions the cache holds. */
static void append_head(const pkm_node *node, void *to, const row_span *span, int64_t head,
                        int part)
{
    pkm_head_rows from = qkv_rows(node, node->in[0]->data, span->row, head, part);
    pkm_head_rows rows = cache_rows(node, to, span, head);
    size_t element = pkm_dtype_bytes(rows.dtype);

    for (int64_t i = 0; i < span->n_rows; i++)
        memcpy((char *)to + (size_t)(rows.first + (span->position + i) * rows.stride) * element,
               (const char *)from.data + (size_t)(from.first + i * from.stride) * element,
               (size_t)rows.stride * element);
}

static pkm_status cache_append(const pkm_node *node, const row_span *span)
{
    const pkm_attention_attr *attr = node->attr;
    pkm_kv_cache *cache = attr->cache;
    int64_t index = attr->layer * cache->config.n_sequences + span->sequence;

    if (span->position > cache->filled[index])
        return pkm_fail(PKM_ERR_ARG, "sequence %lld goes on at position %lld, but %lld are cached",
                        (long long)span->sequence, (long long)span->position,
                        (long long)cache->filled[index]);
    for (int64_t head = 0; head < attr->n_heads; head++) {
        append_head(node, cache->keys, span, head, 1);
        append_head(node, cache->values, span, head, 2);
    }
    cache->filled[index] = span->position + span->n_rows;
    return PKM_OK;
}

static pkm_status attention_forward(pkm_node *node, const pkm_run *run)
{
    const pkm_attention_attr *attr = node->attr;
    attention_job job;

    PKM_TRY(pkm_rule_indices(node->in[2], run->n_rows, 0, attr->seq_len));
    if (node->mode == PKM_MODE_DECODE)
        PKM_TRY(pkm_rule_indices(node->in[1], run->n_rows, 0, attr->cache->config.n_sequences));
    PKM_TRY(job_start(&job, node, run, PKM_ATTENTION_RUN));
    for (int64_t i = 0; i < job.n_spans && node->mode == PKM_MODE_DECODE; i++)
        PKM_TRY(cache_append(node, &job.spans[i]));
    pkm_parallel(job.n_spans * attr->n_heads, forward_pair, &job);
    return PKM_OK;
}

static void backward_pair(int64_t pair, int thread, void *user)
{
    const attention_job *job = user;
    const pkm_node *node = job->node;
    const pkm_attention_attr *attr = node->attr;
    const row_span *span = span_of(job, pair);
    int64_t index = pair % attr->n_heads;
    void *dqkv = node->in[0]->grad;
    pkm_attention_head head = head_of(job, pair);

    head.dq = qkv_rows(node, dqkv, span->row, index, 0);
    head.dk = qkv_rows(node, dqkv, span->row, index, 1);
    head.dv = qkv_rows(node, dqkv, span->row, index, 2);
    head.dout = out_rows(node, node->out->grad, span, index);
    head.add = node->in_adds[0];
    pkm_attention_head_backward(&head, &job->scratch[thread]);
}

/* The derivation stands above pkm_attention_head_backward. */
static pkm_status attention_backward(pkm_node *node, const pkm_run *run)
{
    const pkm_attention_attr *attr = node->attr;
    attention_job job;

    PKM_TRY(job_start(&job, node, run, run->n_rows));
    pkm_parallel(job.n_spans * attr->n_heads, backward_pair, &job);
    return PKM_OK;
}

/* Of full sequences: each row meets half of seq_len keys. */
static pkm_cost attention_cost(const pkm_node *node, int64_t n_rows, bool backward)
{
    const pkm_attention_attr *attr = node->attr;
    double keys = (double)pkm_min_i64(attr->seq_len, n_rows) / 2;
    double elements = (double)n_rows * (double)model_dim(node);
    double bytes = elements * (double)pkm_dtype_bytes(node->out->dtype);

    return backward ? (pkm_cost){10 * elements * keys, 8 * bytes}
                    : (pkm_cost){4 * elements * keys, 4 * bytes};
}

/* size: heads, head_dim, longest sequence, dropout in percent */
static const pkm_op_case attention_cases[] = {{5, {1, 3, 5, 0}},
                                              {90, {3, 8, 41, 0}},
                                              {20, {2, 4, 9, 30}},
                                              {330, {1, 6, 300, 0}},
                                              {150, {1, 40, 149, 10}}};

const pkm_op pkm_op_attention = {
    .name = "attention",
    .shape = attention_shape,
    .workspace = attention_workspace,
    .forward = attention_forward,
    .backward = attention_backward,
    .cost = attention_cost,
    .backward_reads = PKM_READS_IN0 | PKM_READS_IN1 | PKM_READS_IN2 | PKM_READS_OUT,
    .cases = attention_cases,
    .n_cases = sizeof attention_cases / sizeof attention_cases[0],
};
