/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/elementwise.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"

/* Elements and rows per block; a block of elements also fits the stack as floats. */
enum { BLOCK_ELEMENTS = 2048, BLOCK_ROWS = 64 };

typedef struct element_pass {
    char *out;
    pkm_dtype out_dtype, in_dtype;
    const char *in;
    float *d;
    const float *bag, *gate;
    int64_t count;
} element_pass;

static int64_t block_count(const element_pass *pass, int64_t first)
{
    return pkm_min_i64(BLOCK_ELEMENTS, pass->count - first);
}

static void convert_block(int64_t block, int thread, void *user)
{
    const element_pass *pass = user;
    int64_t first = block * BLOCK_ELEMENTS, count = block_count(pass, first);
    char *out = pass->out + (size_t)first * pkm_dtype_bytes(pass->out_dtype);
    const char *in = pass->in + (size_t)first * pkm_dtype_bytes(pass->in_dtype);

    (void)thread;
    if (pass->out_dtype == pass->in_dtype)
        memcpy(out, in, (size_t)count * pkm_dtype_bytes(pass->in_dtype));
    else if (pass->out_dtype == PKM_BF16)
        pkm_kernels_get()->f32_to_bf16((uint16_t *)out, (const float *)in, count);
    else
        pkm_kernels_get()->bf16_to_f32((float *)out, (const uint16_t *)in, count);
}

void pkm_convert(void *out, pkm_dtype out_dtype, const void *in, pkm_dtype in_dtype, int64_t count)
{
    element_pass pass = {
        .out = out, .out_dtype = out_dtype, .in_dtype = in_dtype, .in = in, .count = count};

    pkm_parallel(pkm_ceil_div(count, BLOCK_ELEMENTS), convert_block, &pass);
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

/* Stores a block of floats at out[first], in out's dtype. */
static void store_block(const element_pass *pass, int64_t first, const float *values, int64_t count)
{
    if (pass->out_dtype == PKM_BF16)
        pkm_kernels_get()->f32_to_bf16((uint16_t *)pass->out + first, values, count);
    else
        memcpy((float *)pass->out + first, values, (size_t)count * sizeof *values);
}

static void swilu_block(int64_t block, int thread, void *user)
{
    const element_pass *pass = user;
    int64_t first = block * BLOCK_ELEMENTS, count = block_count(pass, first);
    float product[BLOCK_ELEMENTS];

    (void)thread;
    for (int64_t i = 0; i < count; i++) {
        float g = pass->gate[first + i];

        product[i] = pass->bag[first + i] * g * sigmoid(g);
    }
    store_block(pass, first, product, count);
}

void pkm_swilu_forward(void *out, pkm_dtype dtype, const float *bag, const float *gate,
                       int64_t count)
{
    element_pass pass = {.out = out, .out_dtype = dtype, .bag = bag, .gate = gate, .count = count};

    pkm_parallel(pkm_ceil_div(count, BLOCK_ELEMENTS), swilu_block, &pass);
}

/* silu'(g) = s + g s (1 - s) with s = sigmoid(g). */
static void swilu_backward_block(int64_t block, int thread, void *user)
{
    const element_pass *pass = user;
    int64_t first = block * BLOCK_ELEMENTS, count = block_count(pass, first);
    float dgate[BLOCK_ELEMENTS];

    (void)thread;
    for (int64_t i = 0; i < count; i++) {
        float g = pass->gate[first + i], s = sigmoid(g), *d = &pass->d[first + i];

        dgate[i] = *d * pass->bag[first + i] * (s + g * s * (1 - s));
        *d *= g * s;
    }
    store_block(pass, first, dgate, count);
}

void pkm_swilu_backward(float *d, void *dgate, pkm_dtype dtype, const float *bag, const float *gate,
                        int64_t count)
{
    element_pass pass = {
        .out = dgate, .out_dtype = dtype, .d = d, .bag = bag, .gate = gate, .count = count};

    pkm_parallel(pkm_ceil_div(count, BLOCK_ELEMENTS), swilu_backward_block, &pass);
}

typedef struct row_pass {
    char *out;
    const char *in;
    const int32_t *rows;
    int64_t n_rows;
    size_t row_bytes;
} row_pass;

static void pack_block(int64_t block, int thread, void *user)
{
    const row_pass *pass = user;
    int64_t last = pkm_min_i64((block + 1) * BLOCK_ROWS, pass->n_rows);

    (void)thread;
    for (int64_t i = block * BLOCK_ROWS; i < last; i++)
        memcpy(pass->out + (size_t)i * pass->row_bytes,
               pass->in + (size_t)pass->rows[i] * pass->row_bytes, pass->row_bytes);
}

void pkm_pack_rows(void *out, const void *in, const int32_t *rows, int64_t n_rows, size_t row_bytes)
{
    row_pass pass = {out, in, rows, n_rows, row_bytes};

    pkm_parallel(pkm_ceil_div(n_rows, BLOCK_ROWS), pack_block, &pass);
}

static void unpack_block(int64_t block, int thread, void *user)
{
    const row_pass *pass = user;
    int64_t last = pkm_min_i64((block + 1) * BLOCK_ROWS, pass->n_rows);

    (void)thread;
    for (int64_t i = block * BLOCK_ROWS; i < last; i++)
        memcpy(pass->out + (size_t)pass->rows[i] * pass->row_bytes,
               pass->in + (size_t)i * pass->row_bytes, pass->row_bytes);
}

void pkm_unpack_rows(void *out, const void *in, const int32_t *rows, int64_t n_rows,
                     size_t row_bytes)
{
    row_pass pass = {out, in, rows, n_rows, row_bytes};

    pkm_parallel(pkm_ceil_div(n_rows, BLOCK_ROWS), unpack_block, &pass);
}
