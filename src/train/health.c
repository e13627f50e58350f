/* SPDX-License-Identifier: Apache-2.0 */
#include "train/health.h"

#include <math.h>

#include "params/finite.h"
#include "train/moments.h"

/* Means run over about this many steps; they mean something after so many. */
static const double smoothing_steps = 50;
enum { STEPS_BEFORE_SPIKES = 100 };

/* The least deviation of the loss that is reckoned with, as a part of it. */
static const double least_deviation = 0.01;

pkm_status pkm_health_check_param(const pkm_param *param)
{
    int64_t at = pkm_first_not_finite(param->data, param->dtype, param->count);
    const pkm_param_spec *spec = &param->spec;

    if (at == param->count)
        return PKM_OK;
    if (spec->role == PKM_PARAM_ROWS)
        return pkm_fail(PKM_ERR_NUMERIC, "row %lld of '%s' holds a NaN or an infinity",
                        (long long)(at / spec->dims[1]), spec->name);
    return pkm_fail(PKM_ERR_NUMERIC, "'%s' holds a NaN or an infinity at element %lld of %lld",
                    spec->name, (long long)at, (long long)param->count);
}

/* Moments first: an update makes a weight of a bad moment bad too. */
pkm_status pkm_health_check(const pkm_gpt *gpt)
{
    PKM_TRY(pkm_moments_check(gpt));
    for (int i = 0; i < pkm_params_count(gpt->params); i++)
        PKM_TRY(pkm_health_check_param(pkm_params_at(gpt->params, i)));
    return PKM_OK;
}

pkm_status pkm_health_spike(const pkm_train_state *state, double factor, double loss, double norm)
{
    double mean = state->smoothed_loss;
    double deviation = fmax(state->loss_deviation, least_deviation * mean);

    if (factor == 0 || state->observed < STEPS_BEFORE_SPIKES)
        return PKM_OK;
    if (loss > mean + factor * deviation)
        return pkm_fail(PKM_ERR_NUMERIC,
                        "the loss of %.4g is a spike: it was %.4g, give or take %.2g, before", loss,
                        mean, deviation);
    if (norm > factor * state->smoothed_norm)
        return pkm_fail(PKM_ERR_NUMERIC,
                        "the gradient explodes: its norm of %.4g was %.4g on average before", norm,
                        state->smoothed_norm);
    return PKM_OK;
}

static void smooth(double *mean, double value, int64_t observed)
{
    *mean = observed == 0 ? value : *mean + (value - *mean) / smoothing_steps;
}

void pkm_health_observe(pkm_train_state *state, double loss, double norm)
{
    int64_t taken = state->step - state->skipped;
    double off = taken == 0 ? 0 : fabs(loss - state->smoothed_loss);

    smooth(&state->loss_deviation, off, state->observed);
    smooth(&state->smoothed_norm, norm, state->observed);
    smooth(&state->smoothed_loss, loss, taken);
    state->observed++;
}
