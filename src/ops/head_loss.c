/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is computed transposed, a row of the batch per column. For a block of rows X, strip by
 * strip of W (ops/head_block.c):
 *
 *   L = W_s X^T              logits [strip, block]
 *   P = exp(L - shift)       not divided by its sums, which only the last strip completes
 *   dX^T += W_s^T P          without the targets, whose p - 1 is added in fp32 at the end
 *
 * and once the P of all strips of a chunk of rows stand side by side, [V, chunk],
 *
 *   dW += (P - sum onehot)   (seed / sum X)
 *
 * So P is at hand in the two orders that the products want without being transposed. The shift of a
 * row is the largest logit of the first strip: it need not be the maximum, only near enough that
 * nothing overflows; where it is not, the block is done again with the maximum of all strips.
 *
 * Chunks have a fixed size; of blocks, which are whole multiples of a few columns, each element is
 * summed in the same order whatever their size.
 */
#include "base/dtype.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "ops/head_block.h"

enum {
    MAX_BLOCK = 256,  /* rows: what a block needs of a strip stays in a second-level cache */
    WEIGHT_ROWS = 128 /* rows of dW per task */
};

typedef struct loss_job {
    pkm_head_chunk chunk;
    int64_t block_rows;
    char *benches; /* one per thread */
    size_t bench_bytes;
} loss_job;

/* Blocks for every thread, but not so small that packed operands are read for little. */
static int64_t block_rows(int64_t n_rows, int threads)
{
    int64_t share = pkm_ceil_div(pkm_min_i64(PKM_HEAD_CHUNK, n_rows), threads);
    int64_t columns = pkm_max_i64(1, pkm_ceil_div(share, PKM_HEAD_COLUMNS)) * PKM_HEAD_COLUMNS;

    return pkm_min_i64(MAX_BLOCK, columns);
}

static size_t carve(loss_job *out, const pkm_head_weight *head, int64_t n_rows, int threads,
                    bool gradients, void *workspace)
{
    pkm_arena arena = {.base = workspace}, own = {0};
    size_t element = pkm_dtype_bytes(head->compute), strips, p;
    pkm_head_bench measured;

    out->block_rows = block_rows(n_rows, threads);
    pkm_head_bench_take(&measured, &own, head, out->block_rows, gradients);
    out->bench_bytes = own.used;
    out->benches = pkm_arena_take(&arena, (size_t)threads, own.used);
    if (!gradients)
        return arena.used;
    p = pkm_size_product((size_t)head->vocabulary, PKM_HEAD_P_ROW);
    strips = pkm_size_product((size_t)pkm_ceil_div(head->dim, PKM_STRIP), PKM_STRIP);
    out->chunk.p = pkm_arena_take(&arena, p, element);
    out->chunk.scaled = pkm_arena_take(&arena, pkm_size_product(strips, PKM_HEAD_CHUNK), element);
    return arena.used;
}

size_t pkm_head_loss_workspace(const pkm_head_weight *head, int64_t max_rows, bool gradients)
{
    size_t most = 0;

    for (int threads = 1; threads <= pkm_threads(); threads++) { /* a run may use fewer */
        loss_job measured;
        size_t bytes = carve(&measured, head, max_rows, threads, gradients, NULL);

        most = bytes > most ? bytes : most;
    }
    return most;
}

static void run_block(int64_t index, int thread, void *user)
{
    const loss_job *job = user;
    const pkm_head_loss *call = job->chunk.call;
    pkm_arena arena = {.base = job->benches + (size_t)thread * job->bench_bytes};
    int64_t at = index * job->block_rows;
    pkm_head_bench bench;

    pkm_head_bench_take(&bench, &arena, &call->head, job->block_rows, call->seed != NULL);
    pkm_head_block_run(&job->chunk, &bench, at,
                       pkm_min_i64(job->block_rows, job->chunk.count - at));
}

/* Some rows of dW: what the chunk adds to them. */
static void add_dweight(int64_t index, int thread, void *user)
{
    const loss_job *job = user;
    const pkm_head_chunk *chunk = &job->chunk;
    const pkm_head_loss *call = chunk->call;
    const pkm_head_weight *head = &call->head;
    int64_t first = index * WEIGHT_ROWS, dim = head->dim;
    float *dweight = call->dweight + first * dim;
    pkm_strip_product product = {
        .m = pkm_min_i64(WEIGHT_ROWS, head->vocabulary - first),
        .n = dim,
        .k = pkm_ceil_div(chunk->count, PKM_HEAD_COLUMNS) * PKM_HEAD_COLUMNS,
        .a = (const char *)chunk->p +
             (size_t)(first * PKM_HEAD_P_ROW) * pkm_dtype_bytes(head->compute),
        .b = chunk->scaled,
        .a_row = PKM_HEAD_P_ROW,
        .b_strip = PKM_HEAD_CHUNK * PKM_STRIP,
        .y = dweight,
        .y_dtype = PKM_F32,
        .y_row = dim,
        .base = call->adds_dweight || chunk->first > 0 ? dweight : NULL,
        .base_row = dim,
    };

    (void)thread;
    pkm_kernels_get()->strip_product[head->compute](&product);
}

void pkm_head_loss_run(const pkm_head_loss *call)
{
    const pkm_head_weight *head = &call->head;
    loss_job job = {.chunk.call = call};
    pkm_head_chunk *chunk = &job.chunk;

    (void)carve(&job, head, call->n_rows, pkm_threads(), call->seed != NULL, call->workspace);
    do { /* no rows at all are one empty chunk */
        chunk->count = pkm_min_i64(PKM_HEAD_CHUNK, call->n_rows - chunk->first);
        pkm_parallel(pkm_ceil_div(chunk->count, job.block_rows), run_block, &job);
        if (call->seed != NULL && call->dweight != NULL)
            pkm_parallel(pkm_ceil_div(head->vocabulary, WEIGHT_ROWS), add_dweight, &job);
        chunk->first += chunk->count;
    } while (chunk->first < call->n_rows);
}
