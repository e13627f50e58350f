/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/onednn_rows.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/threads.h"
#include "dense/dense_copy.h"
#include "dense/dense_finish.h"
#include "dense/dense_scratch.h"

/* Rows per block: tall ones reach the full rate of the processor, short ones waste little on a
 * remainder (one AMX tile of rows). */
enum { TALL, SHORT };
static const int64_t block_rows[] = {[TALL] = PKM_DENSE_BLOCK_ROWS, [SHORT] = 16};

/* One call, cut into blocks. */
typedef struct rows_job {
    const pkm_rows_product *product;
    const pkm_rows_call *call;
    const pkm_gemm *gemm[2];
    pkm_dtype result; /* of the gemm */
    int64_t n_tall;
    char *scratch; /* of thread 0; stage_x, stage_y and that of the gemm lie in it */
    size_t thread_bytes, stage_x, stage_y;
    _Atomic int status;
} rows_job;

static pkm_status need_gemm(pkm_rows_product *product, const pkm_gemm **out, int block,
                            pkm_dtype result, bool bias, bool accumulate)
{
    pkm_gemm **place = &product->gemm[block][result == PKM_BF16][bias || accumulate];
    pkm_gemm *form = product->gemm[TALL][0][0];
    pkm_gemm_spec spec = {.m = block_rows[block],
                          .n = product->n,
                          .k = product->k,
                          .in = product->native,
                          .out = result,
                          .bias = bias,
                          .accumulate = accumulate,
                          .form = form};

    if (*place == NULL)
        PKM_TRY(pkm_gemm_create(place, &spec));
    *out = *place;
    return PKM_OK;
}

/* Weights per block of round_block. */
enum { ROUND_BLOCK = 4096 };

typedef struct round_job {
    float *to;
    const float *from;
    int64_t count;
} round_job;

static void round_block(int64_t block, int thread, void *user)
{
    const round_job *job = user;
    int64_t first = block * ROUND_BLOCK, count = pkm_min_i64(ROUND_BLOCK, job->count - first);
    uint16_t rounded[ROUND_BLOCK];

    (void)thread;
    pkm_kernels_get()->f32_to_bf16(rounded, job->from + first, count);
    pkm_kernels_get()->bf16_to_f32(job->to + first, rounded, count);
}

/* Where bf16 is multiplied as fp32: *weight becomes a copy in scratch with every number rounded. */
static pkm_status round_weight(const pkm_rows_product *product, pkm_dense_scratch *scratch,
                               const float **weight)
{
    round_job job = {.from = *weight, .count = product->k * product->n};
    void *copy;

    PKM_TRY(pkm_dense_scratch_reserve(scratch, &copy,
                                      pkm_size_product((size_t)job.count, sizeof(float))));
    job.to = copy;
    pkm_parallel(pkm_ceil_div(job.count, ROUND_BLOCK), round_block, &job);
    *weight = job.to;
    return PKM_OK;
}

static pkm_status pack(pkm_rows_product *product, pkm_dense_scratch *scratch, const float *master)
{
    const pkm_gemm *form;

    if (product->fresh)
        return PKM_OK;
    PKM_TRY(need_gemm(product, &form, TALL, PKM_F32, false, false));
    if (product->form == NULL)
        PKM_TRY(pkm_alloc(&product->form, pkm_gemm_form_bytes(form), "a packed weight"));
    if (product->native != product->compute)
        PKM_TRY(round_weight(product, scratch, &master));
    PKM_TRY(pkm_gemm_pack(form, product->form, master, PKM_F32, product->row_step,
                          product->column_step));
    product->fresh = true;
    return PKM_OK;
}

/* Lays out one thread's scratch: the gemm's own, then staged rows of x and y. */
static pkm_status plan_scratch(rows_job *job, pkm_dense_scratch *scratch)
{
    const pkm_rows_product *product = job->product;
    pkm_arena arena = {0};
    int64_t rows = job->n_tall > 0 ? block_rows[TALL] : block_rows[SHORT];
    size_t own = 0;
    void *data;

    for (int block = TALL; block <= SHORT; block++)
        if (job->gemm[block] != NULL && pkm_gemm_scratch_bytes(job->gemm[block]) > own)
            own = pkm_gemm_scratch_bytes(job->gemm[block]);
    (void)pkm_arena_take(&arena, own, 1);
    job->stage_x = arena.used;
    (void)pkm_arena_take(&arena, pkm_size_product((size_t)rows, (size_t)product->k),
                         pkm_dtype_bytes(product->native));
    job->stage_y = arena.used;
    (void)pkm_arena_take(&arena, pkm_size_product((size_t)rows, (size_t)product->n),
                         pkm_dtype_bytes(job->result));
    job->thread_bytes = arena.used;
    PKM_TRY(pkm_dense_scratch_reserve(scratch, &data,
                                      pkm_size_product(arena.used, (size_t)pkm_threads())));
    job->scratch = data;
    return PKM_OK;
}

static void rows_block(int64_t index, int thread, void *user)
{
    rows_job *job = user;
    const pkm_rows_product *product = job->product;
    const pkm_rows_call *call = job->call;
    int block = index < job->n_tall ? TALL : SHORT;
    int64_t first =
        block == TALL ? index * block_rows[TALL]
                      : job->n_tall * block_rows[TALL] + (index - job->n_tall) * block_rows[SHORT];
    int64_t count = pkm_min_i64(block_rows[block], call->n_rows - first);
    bool partial = count < block_rows[block];
    char *scratch = job->scratch + (size_t)thread * job->thread_bytes;
    const char *x =
        (const char *)call->x + (size_t)(first * product->k) * pkm_dtype_bytes(product->compute);
    char *y = (char *)call->y + (size_t)(first * product->n) * pkm_dtype_bytes(call->y_dtype);
    void *stage_y = scratch + job->stage_y;
    bool stages_y = partial || job->result != call->y_dtype;
    pkm_dense_finish finish = pkm_finish_from(&call->finish, call->y_dtype, first * product->n);
    pkm_status status;

    if (partial || product->native != product->compute) {
        char *stage_x = scratch + job->stage_x;
        size_t bytes = (size_t)(count * product->k) * pkm_dtype_bytes(product->native);
        size_t all = (size_t)(block_rows[block] * product->k) * pkm_dtype_bytes(product->native);

        pkm_copy_converted(stage_x, product->native, x, product->compute, count * product->k);
        memset(stage_x + bytes, 0, all - bytes);
        x = stage_x;
    }
    if (stages_y && call->accumulate)
        pkm_copy_converted(stage_y, job->result, y, call->y_dtype, count * product->n);
    status = pkm_gemm_run(job->gemm[block], stages_y ? stage_y : y, x, product->form,
                          call->finish.bias, scratch);
    if (stages_y)
        pkm_copy_converted(y, call->y_dtype, stage_y, job->result, count * product->n);
    pkm_finish_values(&finish, y, call->y_dtype, count * product->n);
    if (status != PKM_OK)
        job->status = status;
}

pkm_status pkm_rows_product_run(pkm_rows_product *product, pkm_dense_scratch *scratch,
                                const float *master, const pkm_rows_call *call)
{
    rows_job job = {.product = product,
                    .call = call,
                    .result = product->native == PKM_BF16 ? call->y_dtype : PKM_F32,
                    .n_tall = call->n_rows / block_rows[TALL]};
    int64_t rest = call->n_rows - job.n_tall * block_rows[TALL];
    int64_t n_short = pkm_ceil_div(rest, block_rows[SHORT]);

    PKM_TRY(pack(product, scratch, master));
    if (job.n_tall > 0)
        PKM_TRY(need_gemm(product, &job.gemm[TALL], TALL, job.result, call->finish.bias != NULL,
                          call->accumulate));
    if (n_short > 0)
        PKM_TRY(need_gemm(product, &job.gemm[SHORT], SHORT, job.result, call->finish.bias != NULL,
                          call->accumulate));
    PKM_TRY(plan_scratch(&job, scratch));
    pkm_parallel(job.n_tall + n_short, rows_block, &job);
    if (job.status != PKM_OK)
        return pkm_fail((pkm_status)job.status,
                        "%s failed in a product [%lld, %lld] x [%lld, %lld]", pkm_gemm_provider(),
                        (long long)call->n_rows, (long long)product->k, (long long)product->k,
                        (long long)product->n);
    return PKM_OK;
}

void pkm_rows_product_release(pkm_rows_product *product)
{
    pkm_gemm **gemm = &product->gemm[0][0][0];

    for (size_t i = 0; i < sizeof product->gemm / sizeof *gemm; i++)
        pkm_gemm_destroy(gemm[i]);
    pkm_free(product->form);
}
