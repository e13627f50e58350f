/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model in fewer bits. A row (the weights of one output, one token's embedding, one slot's value)
 * becomes bf16, or int8 with the scale that takes its largest element to 127:
 *
 *   scale = max_i |x_i| / 127;   q_i = round(x_i / scale);   x_i ~ scale q_i
 *
 * which is off by at most scale / 2.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/system.h"
#include "base/threads.h"
#include "models/gpt.h"
#include "params/finite.h"

typedef struct quantize_job {
    const pkm_param *from, *to;
    int64_t width; /* of a row of `to` */
} quantize_job;

/* Element i of row `row` of `to`, as `from` has it: perhaps turned, [n_in, n_out]. */
static float source(const quantize_job *job, int64_t row, int64_t i)
{
    const pkm_param *from = job->from;
    int64_t at = from->spec.in_out ? i * from->spec.dims[1] + row : row * job->width + i;

    return from->dtype == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)from->data)[at])
                                   : ((const float *)from->data)[at];
}

static void quantize_row(int64_t row, int thread, void *user)
{
    const quantize_job *job = user;
    int8_t *out = (int8_t *)job->to->data + row * job->width;
    float largest = 0, scale;

    (void)thread;
    for (int64_t i = 0; i < job->width; i++)
        largest = fmaxf(largest, fabsf(source(job, row, i)));
    scale = largest > 0 ? fmaxf(largest / PKM_I8_MAX, FLT_MIN) : 1;
    for (int64_t i = 0; i < job->width; i++)
        out[i] = (int8_t)lrintf(source(job, row, i) / scale);
    ((float *)job->to->scales->data)[row] = scale;
}

static void round_row(int64_t row, int thread, void *user)
{
    const quantize_job *job = user;
    uint16_t *out = (uint16_t *)job->to->data + row * job->width;

    (void)thread;
    for (int64_t i = 0; i < job->width; i++)
        out[i] = pkm_f32_to_bf16(source(job, row, i));
}

/* to = from in the dtype of `to`. */
static pkm_status convert(pkm_param *to, const pkm_param *from)
{
    quantize_job job = {from, to, to->spec.n_dims > 1 ? to->spec.dims[1] : 1};

    PKM_TRY(pkm_finite_check(from->data, from->dtype, from->count, "the model", from->spec.name));
    if (to->dtype == from->dtype)
        memcpy(to->data, from->data, (size_t)to->count * pkm_dtype_bytes(to->dtype));
    else
        pkm_parallel(to->spec.dims[0], to->dtype == PKM_I8 ? quantize_row : round_row, &job);
    pkm_param_changed(to);
    return PKM_OK;
}

/* Every tensor of `gpt` that `from` has too: all but the scales. */
static pkm_status convert_all(pkm_gpt *gpt, const pkm_gpt *from)
{
    for (int i = 0; i < pkm_params_count(from->params); i++) {
        const pkm_param *source = pkm_params_at(from->params, i);

        PKM_TRY(convert(pkm_params_find(gpt->params, source->spec.name), source));
    }
    for (int i = 0; i < pkm_params_count(gpt->params); i++)
        if (pkm_params_at(gpt->params, i)->scales != NULL)
            pkm_param_changed(pkm_params_at(gpt->params, i)->scales);
    return PKM_OK;
}

static pkm_status check_memory(const pkm_gpt *gpt)
{
    size_t bytes;

    PKM_TRY(pkm_gpt_needs(gpt, &bytes));
    return pkm_memory_check(bytes, "the quantised model", "a machine with more of it can make it");
}

pkm_status pkm_gpt_quantize(pkm_gpt **out, const pkm_gpt *from, pkm_dtype weights, pkm_dtype values)
{
    pkm_gpt_config config = from->config;
    pkm_gpt *gpt;
    pkm_status status;

    config.weights = weights;
    config.value_dtype = values;
    config.map_dir = NULL;
    PKM_TRY(pkm_gpt_declare(&gpt, &config, false, NULL));
    status = check_memory(gpt);
    if (status == PKM_OK)
        status = pkm_gpt_allocate(gpt);
    if (status == PKM_OK)
        status = convert_all(gpt, from);
    if (status != PKM_OK) {
        pkm_gpt_destroy(gpt);
        return status;
    }
    *out = gpt;
    return PKM_OK;
}
