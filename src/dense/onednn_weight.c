/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/onednn_weight.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/threads.h"
#include "dense/dense_copy.h"
#include "dense/dense_scratch.h"

/* Rows per chunk: the packed operands of a chunk stay in the caches of a core; short chunks waste
 * little on a remainder. */
enum { LONG, SHORT };
static const int64_t chunk_rows[] = {[LONG] = 512, [SHORT] = 128};

/* Rows of a chunk that one thread transposes, packs and sums at a time: a multiple of k_block of
 * every form oneDNN has. */
enum { COPY_ROWS = 32 };

/* Blocks of c: whole ones of block_height rows, and the rest. */
enum { WHOLE, REST };

/* One chunk of one call. */
typedef struct weight_job {
    const pkm_weight_product *product;
    const pkm_gemm *gemm[2]; /* for whole blocks and for the rest of m, NULL if there is none */
    const pkm_weight_call *call;
    const char *left, *right; /* of this chunk */
    int64_t rows, count;      /* rows of the chunk, and those that exist */
    bool accumulate, accumulate_sums;
    char *turned;   /* left transposed, [m, rows] native */
    char *form;     /* right, packed as `layout` says */
    float *partial; /* [rows / COPY_ROWS, width of the summed side], if sums are asked for */
    char *scratch;  /* of each thread: a gemm's own, or COPY_ROWS staged rows */
    const pkm_gemm_layout *layout;
    size_t thread_bytes;
    _Atomic int status;
} weight_job;

/* Few enough rows for many threads, enough to use the packed operand well. */
static int64_t block_rows(const pkm_weight_product *product)
{
    return product->m < 1024 ? 64 : 128;
}

static int64_t block_height(const pkm_weight_product *product, int block)
{
    return block == WHOLE ? block_rows(product) : product->m % block_rows(product);
}

static int64_t summed_width(const weight_job *job)
{
    return job->call->sums_left ? job->product->m : job->product->n;
}

/* The first product of a chunk size chooses the form of right; one that this file cannot write is
 * not taken. */
static pkm_status choose_form(pkm_weight_product *product, int chunk, pkm_gemm **place,
                              pkm_gemm_spec *spec)
{
    PKM_TRY(pkm_gemm_create(place, spec));
    if (!pkm_gemm_form_layout(*place, &product->layout[chunk]) ||
        COPY_ROWS % product->layout[chunk].k_block != 0 || product->layout[chunk].group > 2) {
        pkm_gemm_destroy(*place);
        *place = NULL;
        spec->plain = true;
        PKM_TRY(pkm_gemm_create(place, spec));
        (void)pkm_gemm_form_layout(*place, &product->layout[chunk]);
    }
    product->form[chunk] = *place;
    return PKM_OK;
}

static pkm_status need_gemm(pkm_weight_product *product, const pkm_gemm **out, int chunk, int block,
                            bool accumulate)
{
    pkm_gemm **place = &product->gemm[chunk][block][accumulate];
    pkm_gemm_spec spec = {.m = block_height(product, block),
                          .n = product->n,
                          .k = chunk_rows[chunk],
                          .in = product->native,
                          .out = PKM_F32,
                          .accumulate = accumulate,
                          .form = product->form[chunk]};

    if (spec.form == NULL)
        PKM_TRY(choose_form(product, chunk, place, &spec));
    else if (*place == NULL)
        PKM_TRY(pkm_gemm_create(place, &spec));
    *out = *place;
    return PKM_OK;
}

static pkm_status need_gemms(pkm_weight_product *product, weight_job *job, int chunk)
{
    for (int block = WHOLE; block <= REST; block++) {
        bool exists = block == WHOLE ? product->m >= block_rows(product)
                                     : product->m % block_rows(product) > 0;

        job->gemm[block] = NULL;
        if (exists)
            PKM_TRY(need_gemm(product, &job->gemm[block], chunk, block, job->accumulate));
    }
    job->layout = &product->layout[chunk];
    return PKM_OK;
}

static void carve(weight_job *job, pkm_arena *arena)
{
    const pkm_weight_product *product = job->product;
    size_t element = pkm_dtype_bytes(product->native);
    size_t widest = (size_t)pkm_max_i64(product->m, product->n), form = 0;
    size_t own = pkm_size_product(COPY_ROWS, pkm_size_product(widest, element));

    for (int block = WHOLE; block <= REST; block++) {
        if (job->gemm[block] == NULL)
            continue;
        form = pkm_gemm_form_bytes(job->gemm[block]);
        if (pkm_gemm_scratch_bytes(job->gemm[block]) > own)
            own = pkm_gemm_scratch_bytes(job->gemm[block]);
    }
    job->turned =
        pkm_arena_take(arena, pkm_size_product((size_t)product->m, (size_t)job->rows), element);
    job->form = pkm_arena_take(arena, form, 1);
    job->partial =
        pkm_arena_take(arena,
                       job->call->sums == NULL ? 0
                                               : pkm_size_product((size_t)(job->rows / COPY_ROWS),
                                                                  (size_t)summed_width(job)),
                       sizeof(float));
    job->thread_bytes = pkm_round_up(own, PKM_ALIGN);
    job->scratch = pkm_arena_take(arena, (size_t)pkm_threads(), job->thread_bytes);
}

static pkm_status plan_scratch(weight_job *job, pkm_dense_scratch *scratch)
{
    pkm_arena measured = {0}, placed = {0};
    void *data;

    carve(job, &measured);
    PKM_TRY(pkm_dense_scratch_reserve(scratch, &data, measured.used));
    placed.base = data;
    carve(job, &placed);
    return PKM_OK;
}

/*
 * Rows first .. first + COPY_ROWS - 1 of `from` [rows, width] in the native dtype: where they are,
 * or converted and filled up with zeros in `room`.
 */
static const char *native_rows(const weight_job *job, char *room, const char *from, int64_t first,
                               int64_t width)
{
    const pkm_weight_product *product = job->product;
    int64_t exist = pkm_max_i64(0, pkm_min_i64(COPY_ROWS, job->count - first));
    size_t element = pkm_dtype_bytes(product->native), bytes = (size_t)(exist * width) * element;

    from += (size_t)(first * width) * pkm_dtype_bytes(product->compute);
    if (product->native == product->compute && exist == COPY_ROWS)
        return from;
    if (exist > 0)
        pkm_copy_converted(room, product->native, from, product->compute, exist * width);
    memset(room + bytes, 0, (size_t)(COPY_ROWS * width) * element - bytes);
    return room;
}

/* One group of rows of right, starting with row k of the chunk, into its places in the form. */
static void pack_group(const weight_job *job, const char *rows, int64_t k)
{
    const pkm_gemm_layout *layout = job->layout;
    int64_t n = job->product->n, group = layout->group;
    size_t element = pkm_dtype_bytes(job->product->native);
    int64_t at = k / layout->k_block * layout->k_step +
                 k % layout->k_block / group * (layout->n_block * group);

    for (int64_t j = 0; j < n; j += layout->n_block, at += layout->n_step) {
        int64_t count = pkm_min_i64(layout->n_block, n - j);
        char *to = job->form + (size_t)at * element;
        size_t bytes = (size_t)(count * group) * element;
        const char *from = rows + (size_t)j * element;

        if (group == 2)
            pkm_kernels_get()->interleave((uint16_t *)(void *)to,
                                          (const uint16_t *)(const void *)from,
                                          (const uint16_t *)(const void *)from + n, count);
        else
            memcpy(to, from, bytes);
        memset(to + bytes, 0, (size_t)(layout->n_block * group) * element - bytes);
    }
}

/* Column sums of the rows of copy block `index`. */
static void sum_rows(const weight_job *job, const char *rows, int64_t index)
{
    int64_t width = summed_width(job);

    pkm_kernels_get()->column_sums[job->product->native](job->partial + index * width, rows, width,
                                                         COPY_ROWS, width);
}

static void prepare_block(int64_t index, int thread, void *user)
{
    const weight_job *job = user;
    const pkm_weight_product *product = job->product;
    int64_t first = index * COPY_ROWS;
    size_t element = pkm_dtype_bytes(product->native);
    char *room = job->scratch + (size_t)thread * job->thread_bytes;
    bool sums = job->call->sums != NULL, sums_left = job->call->sums_left;
    const char *rows = native_rows(job, room, job->left, first, product->m);

    pkm_kernels_get()->transpose[product->native](job->turned + (size_t)first * element, job->rows,
                                                  rows, product->m, COPY_ROWS, product->m);
    if (sums && sums_left)
        sum_rows(job, rows, index);
    rows = native_rows(job, room, job->right, first, product->n);
    for (int64_t k = 0; k < COPY_ROWS; k += job->layout->group)
        pack_group(job, rows + (size_t)(k * product->n) * element, first + k);
    if (sums && !sums_left)
        sum_rows(job, rows, index);
}

/* Adds up in double what the copy blocks found, in their order. */
static void finish_sums(const weight_job *job)
{
    int64_t width = summed_width(job);

    for (int64_t j = 0; j < width; j++) {
        double sum = job->accumulate_sums ? (double)job->call->sums[j] : 0.0;

        for (int64_t block = 0; block < job->rows / COPY_ROWS; block++)
            sum += (double)job->partial[block * width + j];
        job->call->sums[j] = (float)sum;
    }
}

/* Blocks of c; after the last of them, the sums. */
static void multiply_block(int64_t index, int thread, void *user)
{
    weight_job *job = user;
    const pkm_weight_product *product = job->product;
    int64_t first = index * block_rows(product);
    int block = first + block_rows(product) <= product->m ? WHOLE : REST;
    pkm_status status;

    if (first >= product->m) {
        finish_sums(job);
        return;
    }
    status =
        pkm_gemm_run(job->gemm[block], job->call->c + first * product->n,
                     job->turned + (size_t)(first * job->rows) * pkm_dtype_bytes(product->native),
                     job->form, NULL, job->scratch + (size_t)thread * job->thread_bytes);
    if (status != PKM_OK)
        job->status = status;
}

static pkm_status run_chunk(weight_job *job)
{
    const pkm_weight_product *product = job->product;
    int64_t n_blocks = pkm_ceil_div(product->m, block_rows(product));

    pkm_parallel(job->rows / COPY_ROWS, prepare_block, job);
    pkm_parallel(n_blocks + (job->call->sums != NULL), multiply_block, job);
    if (job->status != PKM_OK)
        return pkm_fail((pkm_status)job->status, "%s failed in a weight gradient [%lld, %lld]",
                        pkm_gemm_provider(), (long long)product->m, (long long)product->n);
    return PKM_OK;
}

pkm_status pkm_weight_product_run(pkm_weight_product *product, pkm_dense_scratch *scratch,
                                  const pkm_weight_call *call)
{
    weight_job job = {.product = product, .call = call};
    size_t element = pkm_dtype_bytes(product->compute);
    int64_t first = 0;

    do { /* no rows at all are one chunk of zeros */
        int chunk = call->n_rows - first >= chunk_rows[LONG] ? LONG : SHORT;

        job.rows = chunk_rows[chunk];
        job.count = pkm_min_i64(job.rows, call->n_rows - first);
        job.left = (const char *)call->left + (size_t)(first * product->m) * element;
        job.right = (const char *)call->right + (size_t)(first * product->n) * element;
        job.accumulate = call->accumulate || first > 0;
        job.accumulate_sums = call->accumulate_sums || first > 0;
        PKM_TRY(need_gemms(product, &job, chunk));
        PKM_TRY(plan_scratch(&job, scratch));
        PKM_TRY(run_chunk(&job));
        first += job.rows;
    } while (first < call->n_rows);
    return PKM_OK;
}

void pkm_weight_product_release(pkm_weight_product *product)
{
    pkm_gemm **gemm = &product->gemm[0][0][0];

    for (size_t i = 0; i < sizeof product->gemm / sizeof *gemm; i++)
        pkm_gemm_destroy(gemm[i]);
}
