/* SPDX-License-Identifier: Apache-2.0 */
#include "params/params.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/dtype.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/threads.h"
#include "params/table.h"

pkm_status pkm_params_create(pkm_params **out)
{
    pkm_params *params;

    PKM_TRY(pkm_alloc_array((void **)&params, 1, sizeof *params, "a parameter table"));
    if (pkm_dense_scratch_create(&params->scratch) != PKM_OK) {
        pkm_free(params);
        return PKM_ERR_NOMEM;
    }
    *out = params;
    return PKM_OK;
}

void pkm_params_destroy(pkm_params *params)
{
    if (params == NULL)
        return;
    for (int i = 0; i < params->count; i++) {
        pkm_dense_destroy(params->entries[i]->dense);
        pkm_free(params->entries[i]);
    }
    pkm_dense_scratch_destroy(params->scratch);
    pkm_free(params->places);
    pkm_free(params->entries);
    pkm_free(params->blocks);
    pkm_pages_free(params->arena, params->arena_bytes);
    pkm_free(params);
}

/* Where `name` stands in the hash table of names, or where it would. A config.json can ask for
 * thousands of entries: to compare each with all others would take seconds. */
static int *find_place(const pkm_params *params, const char *name)
{
    size_t mask = 4 * (size_t)params->capacity - 1; /* a power of 2 */
    size_t at = XXH3_64bits(name, strlen(name)) & mask;

    while (params->places[at] != 0 &&
           strcmp(params->entries[params->places[at] - 1]->spec.name, name) != 0)
        at = (at + 1) & mask;
    return &params->places[at];
}

static pkm_status check_spec(const pkm_params *params, const pkm_param_spec *spec)
{
    size_t bytes;

    if (memchr(spec->name, '\0', sizeof spec->name) == NULL || spec->name[0] == '\0')
        return pkm_fail(PKM_ERR_ARG, "parameter name '%.20s...' is empty or longer than %d",
                        spec->name, PKM_PARAM_NAME - 1);
    if (pkm_params_find(params, spec->name) != NULL)
        return pkm_fail(PKM_ERR_ARG, "parameter '%s' exists already", spec->name);
    if (spec->n_dims < 0 || spec->n_dims > PKM_PARAM_DIMS)
        return pkm_fail(PKM_ERR_SHAPE, "parameter '%s' has %d dimensions: expected 0 to %d",
                        spec->name, spec->n_dims, PKM_PARAM_DIMS);
    if (!pkm_size_shape(spec->dims, spec->n_dims, sizeof(float), &bytes) || bytes > SIZE_MAX / 2)
        return pkm_fail(PKM_ERR_SHAPE, "parameter '%s' is too large or has a negative size",
                        spec->name);
    return PKM_OK;
}

static pkm_status reserve_entry(pkm_params *params)
{
    int capacity = params->capacity == 0 ? 64 : 2 * params->capacity;
    int *places;

    if (params->count < params->capacity)
        return PKM_OK;
    PKM_TRY(pkm_alloc_grow((void **)&params->entries, (size_t)params->count, (size_t)capacity,
                           sizeof(pkm_param *), "the parameter table"));
    PKM_TRY(pkm_alloc_array((void **)&places, pkm_size_product(4, (size_t)capacity), sizeof *places,
                            "names of parameters"));
    pkm_free(params->places);
    params->places = places;
    params->capacity = capacity;
    for (int i = 0; i < params->count; i++)
        *find_place(params, params->entries[i]->spec.name) = i + 1;
    return PKM_OK;
}

pkm_status pkm_params_add(pkm_params *params, pkm_param **out, const pkm_param_spec *spec)
{
    pkm_param *param;

    if (params->arena != NULL)
        return pkm_fail(PKM_ERR_STATE, "parameter '%.*s' added to a table already allocated",
                        PKM_PARAM_NAME, spec->name);
    PKM_TRY(check_spec(params, spec));
    PKM_TRY(reserve_entry(params));
    PKM_TRY(pkm_alloc_array((void **)&param, 1, sizeof *param, "a parameter"));
    param->spec = *spec;
    param->dtype = PKM_F32;
    param->scratch = params->scratch;
    param->count = 1;
    for (int i = 0; i < spec->n_dims; i++)
        param->count *= spec->dims[i];
    params->entries[params->count++] = param;
    *find_place(params, spec->name) = params->count;
    *out = param;
    return PKM_OK;
}

int pkm_params_count(const pkm_params *params)
{
    return params->count;
}

pkm_param *pkm_params_at(const pkm_params *params, int index)
{
    return params->entries[index];
}

pkm_param *pkm_params_find(const pkm_params *params, const char *name)
{
    int place = params->count > 0 ? *find_place(params, name) : 0;

    return place > 0 ? params->entries[place - 1] : NULL;
}

static bool owned(const pkm_param *param)
{
    return param->spec.role != PKM_PARAM_ROWS;
}

/* The next place for `count` numbers; *field is left alone while measuring. */
static void place(float **field, pkm_arena *arena, int64_t count)
{
    float *at = pkm_arena_take(arena, (size_t)count, sizeof(float));

    if (at != NULL)
        *field = at;
}

static void place_data(pkm_param *param, pkm_arena *arena)
{
    void *at = pkm_arena_take(arena, (size_t)param->count, pkm_dtype_bytes(param->dtype));

    if (at != NULL)
        param->data = at;
}

static void carve(const pkm_params *params, pkm_arena *arena, bool train)
{
    for (int i = 0; i < params->count; i++) {
        pkm_param *param = params->entries[i];

        if (!owned(param))
            continue;
        place_data(param, arena);
        if (train && param->spec.role == PKM_PARAM_BUFFER)
            place(&param->kept, arena, param->count);
        if (!train || param->spec.role != PKM_PARAM_DENSE)
            continue;
        place(&param->grad, arena, param->count);
        place(&param->moment1, arena, param->count);
        place(&param->moment2, arena, param->count);
    }
}

pkm_status pkm_params_bytes(const pkm_params *params, bool train, size_t *out)
{
    pkm_arena arena = {0};

    carve(params, &arena, train);
    if (arena.used == SIZE_MAX)
        return pkm_fail(PKM_ERR_NOMEM, "the parameters do not fit any memory");
    *out = arena.used;
    return PKM_OK;
}

static pkm_status make_blocks(pkm_params *params)
{
    int64_t n_blocks = 0;

    for (int i = 0; i < params->count; i++)
        if (owned(params->entries[i]))
            n_blocks += pkm_ceil_div(params->entries[i]->count, PKM_PARAM_BLOCK);
    PKM_TRY(pkm_alloc_array((void **)&params->blocks, (size_t)n_blocks, sizeof *params->blocks,
                            "the blocks of the parameters"));
    for (int i = 0; i < params->count; i++) {
        pkm_param *param = params->entries[i];

        for (int64_t first = 0; owned(param) && first < param->count; first += PKM_PARAM_BLOCK)
            params->blocks[params->n_blocks++] =
                (pkm_param_block){.param = param,
                                  .first = first,
                                  .count = pkm_min_i64(PKM_PARAM_BLOCK, param->count - first)};
    }
    return PKM_OK;
}

pkm_status pkm_params_allocate(pkm_params *params, bool train)
{
    pkm_arena arena = {0};
    size_t bytes;

    if (params->arena != NULL)
        return pkm_fail(PKM_ERR_STATE, "the parameters are allocated already");
    PKM_TRY(pkm_params_bytes(params, train, &bytes));
    PKM_TRY(make_blocks(params));
    if (pkm_pages_alloc(&params->arena, bytes, "the parameters") != PKM_OK) {
        pkm_free(params->blocks);
        params->blocks = NULL;
        params->n_blocks = 0;
        return PKM_ERR_NOMEM;
    }
    params->arena_bytes = bytes;
    arena.base = params->arena;
    carve(params, &arena, train);
    for (int i = 0; i < params->count; i++)
        pkm_param_changed(params->entries[i]);
    return PKM_OK;
}

static void init_block(int64_t index, int thread, void *user)
{
    const pkm_params *params = ((void **)user)[0];
    const pkm_param_block *block = &params->blocks[index];
    const pkm_init *init = &block->param->spec.init;
    float *data = (float *)block->param->data + block->first;
    pkm_rng rng = {.seed = *(const uint64_t *)((void **)user)[1],
                   .stream = pkm_rng_stream(block->param->spec.name)};

    (void)thread;
    switch (init->kind) {
    case PKM_INIT_CONSTANT:
        for (int64_t i = 0; i < block->count; i++)
            data[i] = init->scale;
        break;
    case PKM_INIT_NORMAL:
        pkm_rng_fill_normal(data, block->count, &rng, (uint64_t)block->first, init->scale);
        break;
    case PKM_INIT_UNIFORM:
        pkm_rng_fill_uniform(data, block->count, &rng, (uint64_t)block->first, -init->scale,
                             init->scale);
        break;
    }
}

void pkm_params_init(pkm_params *params, uint64_t seed)
{
    void *user[] = {params, &seed};

    pkm_parallel(params->n_blocks, init_block, user);
    for (int i = 0; i < params->count; i++)
        pkm_param_changed(params->entries[i]);
}

void pkm_params_keep(pkm_params *params)
{
    for (int i = 0; i < params->count; i++) {
        const pkm_param *param = params->entries[i];

        if (param->kept != NULL)
            memcpy(param->kept, param->data, (size_t)param->count * sizeof *param->kept);
    }
}

void pkm_params_restore(pkm_params *params)
{
    for (int i = 0; i < params->count; i++) {
        pkm_param *param = params->entries[i];

        if (param->kept == NULL)
            continue;
        memcpy(param->data, param->kept, (size_t)param->count * sizeof *param->kept);
        pkm_param_changed(param);
    }
}

/* What a map must offer to serve both configs. */
static pkm_dense_config widened(const pkm_dense_config *a, const pkm_dense_config *b)
{
    pkm_dense_config both = *a;

    both.max_rows = pkm_max_i64(a->max_rows, b->max_rows);
    both.backward = a->backward || b->backward;
    return both;
}

pkm_status pkm_param_use_dense(pkm_param *param, const pkm_dense_config *config)
{
    pkm_dense_config wanted = *config;
    pkm_dense *dense;

    if (config->n_in * config->n_out != param->count)
        return pkm_fail(PKM_ERR_SHAPE,
                        "parameter '%s' has %lld elements: a dense map wants %lld x %lld",
                        param->spec.name, (long long)param->count, (long long)config->n_in,
                        (long long)config->n_out);
    if (param->dense != NULL) {
        const pkm_dense_config *has = pkm_dense_config_of(param->dense);

        if (has->n_in != config->n_in || has->layout != config->layout ||
            has->compute != config->compute)
            return pkm_fail(PKM_ERR_ARG,
                            "parameter '%s' is used by dense maps of different layout or precision",
                            param->spec.name);
        wanted = widened(has, config);
        if (wanted.max_rows == has->max_rows && wanted.backward == has->backward)
            return PKM_OK;
    }
    wanted.scratch = param->scratch;
    PKM_TRY(pkm_dense_create(&dense, &wanted));
    pkm_dense_destroy(param->dense);
    param->dense = dense;
    param->packed = 0;
    return PKM_OK;
}

static pkm_dense_stored stored_form(const pkm_param *param)
{
    return (pkm_dense_stored){
        .rows = param->data,
        .dtype = param->dtype,
        .scales = param->scales != NULL ? param->scales->data : NULL,
    };
}

static void pack(const pkm_param *param)
{
    const pkm_dense_stored stored = stored_form(param);

    if (param->dtype == PKM_F32)
        pkm_dense_pack(param->dense, param->data);
    else
        pkm_dense_pack_stored(param->dense, &stored);
}

pkm_status pkm_param_store(pkm_params *params, pkm_param *param, pkm_dtype dtype)
{
    pkm_param_spec scales = {.n_dims = 1, .role = PKM_PARAM_BUFFER};
    pkm_param_spec *spec = &param->spec;
    int length;

    param->dtype = dtype;
    if (spec->in_out) {
        int64_t n_in = spec->dims[0];

        spec->dims[0] = spec->dims[1];
        spec->dims[1] = n_in;
        spec->in_out = false;
    }
    if (dtype != PKM_I8)
        return PKM_OK;
    scales.dims[0] = spec->dims[0];
    length = snprintf(scales.name, sizeof scales.name, "%s.scale", spec->name);
    if (length >= (int)sizeof scales.name)
        return pkm_fail(PKM_ERR_ARG, "parameter name '%s' is too long for its scales", spec->name);
    return pkm_params_add(params, &param->scales, &scales);
}

const float *pkm_param_row(const pkm_param *param, int64_t row, float *scratch)
{
    int64_t width = param->spec.dims[1];
    const pkm_dense_stored stored = stored_form(param);

    if (param->dtype == PKM_F32)
        return (const float *)param->data + row * width;
    pkm_dense_stored_row(scratch, &stored, row, width);
    return scratch;
}

void pkm_params_pack(pkm_params *params)
{
    for (int i = 0; i < params->count; i++) {
        pkm_param *param = params->entries[i];

        if (param->dense == NULL || param->packed == param->version)
            continue;
        pack(param);
        param->packed = param->version;
    }
}

size_t pkm_params_packed_bytes(const pkm_params *params)
{
    size_t total = 0;

    for (int i = 0; i < params->count; i++)
        if (params->entries[i]->dense != NULL)
            total = pkm_size_sum(total,
                                 pkm_dense_bytes(pkm_dense_config_of(params->entries[i]->dense)));
    return total;
}
