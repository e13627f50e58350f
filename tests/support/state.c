/* SPDX-License-Identifier: Apache-2.0 */
#include "support/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "support/check.h"

static void add(model_state *state, const char *tensor, const char *suffix, void *data,
                pkm_dtype dtype, int64_t count, int64_t rows)
{
    state_array *array = &state->arrays[state->count++];

    assert_true(state->count <= STATE_ARRAYS);
    *array = (state_array){.data = data, .dtype = dtype, .count = count, .rows = rows};
    snprintf(array->name, sizeof array->name, "%s%s", tensor, suffix);
}

static size_t bytes_of(const state_array *array)
{
    return (size_t)array->count * pkm_dtype_bytes(array->dtype);
}

static void list_stores(model_state *state, const pkm_gpt *gpt)
{
    for (int i = 0; i < gpt->n_stores; i++) {
        pkm_store_moment moments[2];
        int n_moments = pkm_store_moments(gpt->stores[i], moments);
        pkm_gpt_name name;

        for (int m = 0; m < n_moments; m++) {
            char suffix[16];
            int64_t width = moments[m].n_dims == 2 ? moments[m].dims[1] : 1;

            snprintf(suffix, sizeof suffix, ".%s", moments[m].suffix);
            add(state, pkm_gpt_values_name(&name, i), suffix, moments[m].data, moments[m].dtype,
                moments[m].dims[0] * width, moments[m].dims[0]);
        }
    }
}

void state_keep(model_state *out, pkm_gpt *gpt)
{
    *out = (model_state){.gpt = gpt};
    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);
        const pkm_param_spec *spec = &param->spec;

        add(out, spec->name, "", param->data, param->dtype, param->count,
            spec->role == PKM_PARAM_ROWS ? spec->dims[0] : 0);
        if (spec->role != PKM_PARAM_DENSE)
            continue;
        add(out, spec->name, ".exp_avg", param->moment1, PKM_F32, param->count, 0);
        add(out, spec->name, ".exp_avg_sq", param->moment2, PKM_F32, param->count, 0);
    }
    list_stores(out, gpt);
    for (int i = 0; i < out->count; i++) {
        out->copies[i] = malloc(bytes_of(&out->arrays[i]));
        assert_non_null(out->copies[i]);
        memcpy(out->copies[i], out->arrays[i].data, bytes_of(&out->arrays[i]));
    }
}

void state_release(model_state *state)
{
    for (int i = 0; i < state->count; i++)
        free(state->copies[i]);
}

static void changed(model_state *state)
{
    for (int i = 0; i < pkm_params_count(state->gpt->params); i++)
        pkm_param_changed(pkm_params_at(state->gpt->params, i));
}

void state_restore(model_state *state)
{
    for (int i = 0; i < state->count; i++)
        memcpy(state->arrays[i].data, state->copies[i], bytes_of(&state->arrays[i]));
    changed(state);
}

void check_state_same(const model_state *state)
{
    for (int i = 0; i < state->count; i++)
        if (memcmp(state->arrays[i].data, state->copies[i], bytes_of(&state->arrays[i])) != 0)
            fail_msg("'%s' is not what it was", state->arrays[i].name);
}

static int first_difference(const model_state *a, const model_state *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        if (memcmp(a->arrays[i].data, b->arrays[i].data, bytes_of(&a->arrays[i])) != 0)
            return i;
    return -1;
}

void check_models_same(const model_state *a, const model_state *b)
{
    int i = first_difference(a, b);

    if (i >= 0)
        fail_msg("'%s' differs", a->arrays[i].name);
}

bool models_differ(const model_state *a, const model_state *b)
{
    return first_difference(a, b) >= 0;
}

void state_spoil(model_state *state, int array, float value)
{
    const state_array *to = &state->arrays[array];
    int64_t step = to->rows > 0 ? to->count / to->rows : to->count;

    for (int64_t i = step / 2; i < to->count; i += step)
        if (to->dtype == PKM_F32)
            ((float *)to->data)[i] = value;
        else
            ((uint16_t *)to->data)[i] = pkm_f32_to_bf16(value);
    changed(state);
}
