/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "kernel_cases.h"

static void carve(pkm_kernel_data *data, pkm_arena *arena)
{
    size_t n = (size_t)data->n, width = (size_t)data->width, count = (size_t)data->count;

    for (int dtype = 0; dtype < PKM_READ_DTYPES; dtype++) {
        size_t bytes = pkm_dtype_bytes((pkm_dtype)dtype);

        data->in[dtype] = pkm_arena_take(arena, count, bytes);
        data->square[dtype] = pkm_arena_take(arena, pkm_size_product(width, width), bytes);
    }
    data->a = pkm_arena_take(arena, count, sizeof(float));
    data->b = pkm_arena_take(arena, count, sizeof(float));
    data->c = pkm_arena_take(arena, count, sizeof(float));
    data->out = pkm_arena_take(arena, count, sizeof(float));
    data->v = pkm_arena_take(arena, count, sizeof(float));
    data->narrow = pkm_arena_take(arena, count, 2 * sizeof(uint16_t));
    data->rows = pkm_arena_take(arena, n, sizeof(int32_t));
    data->sources = pkm_arena_take(arena, n, 2 * sizeof(int32_t));
    data->starts = pkm_arena_take(arena, pkm_size_sum(n, 1), sizeof(int64_t));
    data->weights = pkm_arena_take(arena, n, 2 * sizeof(float));
    data->found = pkm_arena_take(arena, count, sizeof(int32_t));
    data->scratch.heap = pkm_arena_take(arena, width, sizeof(uint64_t));
    data->scratch.next = pkm_arena_take(arena, width, sizeof(int32_t));
    for (int half = 0; half < 2; half++) {
        data->scratch.index[half] = pkm_arena_take(arena, width, sizeof(int32_t));
        data->scratch.score[half] = pkm_arena_take(arena, width, sizeof(float));
    }
}

/* The same numbers in each dtype, from -1 to 1; int8 as if its scale were 1 / 127. */
static void fill_matrix(void *const by_dtype[PKM_READ_DTYPES], int64_t count, const char *name)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream(name)};

    pkm_rng_fill_uniform(by_dtype[PKM_F32], count, &rng, 0, -1, 1);
    for (int64_t i = 0; i < count; i++) {
        float x = ((float *)by_dtype[PKM_F32])[i];

        ((uint16_t *)by_dtype[PKM_BF16])[i] = pkm_f32_to_bf16(x);
        ((int8_t *)by_dtype[PKM_I8])[i] = (int8_t)(127 * x);
    }
}

static void fill(pkm_kernel_data *data)
{
    pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.kernels")};
    float *const floats[] = {data->a, data->b, data->c, data->out};

    fill_matrix(data->in, data->count, "bench.in");
    fill_matrix(data->square, data->width * data->width, "bench.square");
    for (int i = 0; i < 4; i++, rng.step++)
        pkm_rng_fill_normal(floats[i], data->count, &rng, 0, 1);
    pkm_rng_fill_uniform(data->v, data->count, &rng, 0, 0, 1);
    pkm_rng_fill_normal(data->weights, 2 * data->n, &rng, 0, 1);
    for (int64_t i = 0; i < 2 * data->n; i++)
        data->sources[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % (uint64_t)data->n);
    for (int64_t i = 0; i < data->n; i++)
        data->rows[i] = (int32_t)i;
    for (int64_t i = 0; i <= data->n; i++)
        data->starts[i] = 2 * i;
}

pkm_status pkm_kernel_data_create(pkm_kernel_data *out, int64_t n, int64_t width)
{
    pkm_kernel_data data = {.n = n, .width = width, .count = n * width};
    pkm_arena arena = {0};

    carve(&data, &arena);
    PKM_TRY(pkm_alloc_array(&data.memory, arena.used, 1, "operands"));
    arena = (pkm_arena){.base = data.memory};
    carve(&data, &arena);
    pkm_select_plan_init(&data.plan, width, width / 8);
    fill(&data);
    *out = data;
    return PKM_OK;
}

void pkm_kernel_data_release(pkm_kernel_data *data)
{
    pkm_free(data->memory);
}
