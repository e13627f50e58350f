/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/head_weight.h"

#include "base/arena.h"
#include "base/dtype.h"
#include "base/threads.h"
#include "kernels/kernels.h"

static pkm_dtype native(pkm_dtype compute)
{
    pkm_isa level;

    return pkm_isa_current(&level) == PKM_OK && level >= PKM_ISA_AVX512BF16 ? compute : PKM_F32;
}

size_t pkm_head_weight_place(pkm_head_weight *out, const pkm_node *node, void *held)
{
    const pkm_param *weight = node->param[0];
    pkm_dtype compute = native(node->in[0]->dtype);
    size_t element = pkm_dtype_bytes(compute), strip;
    pkm_arena arena = {.base = held};

    *out = (pkm_head_weight){
        .vocabulary = weight->spec.dims[0],
        .dim = weight->spec.dims[1],
        .n_strips = pkm_ceil_div(weight->spec.dims[0], PKM_HEAD_STRIP),
        .compute = compute,
    };
    out->copies = weight->dtype != compute;
    out->version = pkm_arena_take(&arena, 1, sizeof *out->version);
    out->rows = weight->data;
    if (out->copies)
        out->rows = pkm_arena_take(
            &arena, pkm_size_product((size_t)out->vocabulary, (size_t)out->dim), element);
    strip = pkm_size_product((size_t)out->dim, PKM_HEAD_STRIP);
    if (node->mode == PKM_MODE_TRAIN)
        out->columns =
            pkm_arena_take(&arena, pkm_size_product((size_t)out->n_strips, strip), element);
    return arena.used;
}

typedef struct renew_job {
    const pkm_head_weight *head;
    const pkm_param *weight;
    float *scratch; /* [threads, dim] */
} renew_job;

static void renew_row(const renew_job *job, int64_t row, float *scratch)
{
    const pkm_head_weight *head = job->head;

    if (head->compute == PKM_BF16)
        pkm_kernels_get()->f32_to_bf16((uint16_t *)head->rows + row * head->dim,
                                       pkm_param_row(job->weight, row, scratch), head->dim);
    else
        (void)pkm_param_row(job->weight, row, (float *)head->rows + row * head->dim);
}

static void renew_strip(int64_t strip, int thread, void *user)
{
    const renew_job *job = user;
    const pkm_head_weight *head = job->head;
    int64_t first = strip * PKM_HEAD_STRIP, count = pkm_head_strip_rows(head, strip);
    size_t element = pkm_dtype_bytes(head->compute);

    for (int64_t i = first; i < first + count && head->copies; i++)
        renew_row(job, i, job->scratch + thread * head->dim);
    if (head->columns != NULL)
        pkm_kernels_get()->transpose[head->compute](
            (char *)head->columns + (size_t)(first * head->dim) * element, PKM_HEAD_STRIP,
            (const char *)head->rows + (size_t)(first * head->dim) * element, head->dim, count,
            head->dim);
}

void pkm_head_weight_renew(const pkm_head_weight *head, const pkm_param *weight, float *scratch)
{
    renew_job job = {head, weight, scratch};

    if (*head->version == weight->version + 1)
        return;
    pkm_parallel(head->n_strips, renew_strip, &job);
    *head->version = weight->version + 1;
}
