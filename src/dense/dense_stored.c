/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/dense_stored.h"

#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"

void pkm_dense_stored_row(float *out, const pkm_dense_stored *stored, int64_t row, int64_t n_in)
{
    for (int64_t i = 0; i < n_in; i++)
        out[i] = pkm_dense_stored_at(stored, row, i, n_in);
}

typedef struct expand_job {
    float *out;
    const pkm_dense_stored *stored;
    int64_t n_in;
} expand_job;

static void expand_row(int64_t row, int thread, void *user)
{
    const expand_job *job = user;

    (void)thread;
    pkm_dense_stored_row(job->out + row * job->n_in, job->stored, row, job->n_in);
}

pkm_status pkm_dense_stored_expand(float **out, const pkm_dense_stored *stored, int64_t n_out,
                                   int64_t n_in)
{
    expand_job job = {NULL, stored, n_in};

    PKM_TRY(
        pkm_alloc((void **)&job.out,
                  pkm_size_product(pkm_size_product((size_t)n_out, (size_t)n_in), sizeof(float)),
                  "a weight on its way to a packed one"));
    pkm_parallel(n_out, expand_row, &job);
    *out = job.out;
    return PKM_OK;
}
