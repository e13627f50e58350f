/* SPDX-License-Identifier: Apache-2.0 */
#include "params/adamw.h"

#include <math.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "params/table.h"

/* The sum of squares of a block, in double: a double holds the square of any float. */
static void norm_block(int64_t index, int thread, void *user)
{
    pkm_params *params = user;
    pkm_param_block *block = &params->blocks[index];
    const float *grad = block->param->grad;

    (void)thread;
    block->sum =
        grad == NULL ? 0.0 : pkm_kernels_get()->sum_squares(grad + block->first, block->count);
}

pkm_status pkm_params_grad_norm(const pkm_params *params, double *out)
{
    double sum = 0.0;

    pkm_parallel(params->n_blocks, norm_block, (void *)params);
    for (int64_t i = 0; i < params->n_blocks; i++) {
        /* Only a NaN or an infinity among the gradients can do this. */
        if (!isfinite(params->blocks[i].sum))
            return pkm_fail(PKM_ERR_NUMERIC, "the gradient of '%s' holds a NaN or an infinity",
                            params->blocks[i].param->spec.name);
        sum += params->blocks[i].sum;
    }
    *out = sqrt(sum);
    return PKM_OK;
}

typedef struct adamw_job {
    pkm_params *params;
    pkm_adamw_factors factors[2][2]; /* [search][decay] */
} adamw_job;

static void adamw_block(int64_t index, int thread, void *user)
{
    const adamw_job *job = user;
    pkm_param_block *block = &job->params->blocks[index];
    const pkm_param *param = block->param;
    int64_t first = block->first;

    (void)thread;
    block->finite =
        param->grad == NULL ||
        pkm_kernels_get()->adamw_update((float *)param->data + first, param->moment1 + first,
                                        param->moment2 + first, param->grad + first, block->count,
                                        &job->factors[param->spec.search][param->spec.decay]);
}

pkm_status pkm_clip_scale(float *scale, double norm, double limit, const char *what)
{
    double clipped = limit > 0 && norm > limit ? limit : norm;

    *scale = clipped < norm ? (float)(clipped / norm) : 1.0f;
    if (!(clipped < PKM_GRADIENT_LIMIT))
        return pkm_fail(PKM_ERR_NUMERIC, "the gradient of %s has a norm of %g: it has exploded",
                        what, norm);
    return PKM_OK;
}

static pkm_adamw_factors make_factors(const pkm_adamw_config *config, int64_t t, float lr,
                                      float grad_scale, bool decay)
{
    double beta1 = (double)config->beta1, beta2 = (double)config->beta2;

    return (pkm_adamw_factors){
        .grad_scale = grad_scale,
        .keep = decay ? (float)(1.0 - (double)lr * (double)config->weight_decay) : 1.0f,
        .rate = (float)((double)lr / (1.0 - pow(beta1, (double)t))),
        .root_scale = (float)(1.0 / sqrt(1.0 - pow(beta2, (double)t))),
        .epsilon = config->epsilon,
        .beta1 = config->beta1,
        .one_minus_beta1 = (float)(1.0 - beta1),
        .beta2 = config->beta2,
        .one_minus_beta2 = (float)(1.0 - beta2),
    };
}

pkm_status pkm_adamw_step(pkm_params *params, const pkm_adamw_config *config, int64_t t,
                          pkm_adamw_rates rates, float grad_scale)
{
    adamw_job job = {.params = params};

    for (int decay = 0; decay < 2; decay++) {
        job.factors[0][decay] = make_factors(config, t, rates.lr, grad_scale, decay);
        job.factors[1][decay] = make_factors(config, t, rates.key_lr, grad_scale, decay);
    }
    pkm_parallel(params->n_blocks, adamw_block, &job);
    for (int i = 0; i < params->count; i++)
        if (params->entries[i]->grad != NULL)
            pkm_param_changed(params->entries[i]);
    for (int64_t i = 0; i < params->n_blocks; i++)
        if (!params->blocks[i].finite)
            return pkm_fail(PKM_ERR_NUMERIC, "'%s' or a moment of it holds a NaN or an infinity",
                            params->blocks[i].param->spec.name);
    return PKM_OK;
}
