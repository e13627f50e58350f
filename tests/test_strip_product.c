/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strip products and the packing of strips, at every level of this machine, against their
 * references: sizes around tiles, every way to finish. Arrays end at an unmapped page.
 */
#include <string.h>

#include "base/dtype.h"
#include "base/size.h"
#include "kernels/kernels.h"
#include "support/check.h"

/* Small integers, sums of which are exact, in the dtype. */
static void *integers(int64_t count, pkm_dtype dtype, uint64_t seed)
{
    float *from = guard_alloc((size_t)count * sizeof(float));
    uint16_t *out;

    fill_integers(from, count, seed, -4, 4);
    if (dtype == PKM_F32)
        return from;
    out = guard_alloc((size_t)count * 2);
    for (int64_t i = 0; i < count; i++)
        out[i] = pkm_f32_to_bf16(from[i]);
    guard_free(from, (size_t)count * sizeof(float));
    return out;
}

static void drop(void *block, int64_t count, pkm_dtype dtype)
{
    guard_free(block, (size_t)count * pkm_dtype_bytes(dtype));
}

static int64_t strip_step(int64_t k)
{
    return pkm_ceil_div(k, PKM_STRIP_STEP) * PKM_STRIP_STEP * PKM_STRIP;
}

static int64_t strips_count(int64_t k, int64_t n)
{
    return pkm_ceil_div(n, PKM_STRIP) * strip_step(k);
}

/* What is multiplied, and how it is finished. */
typedef struct shape {
    int64_t m, n, k;
    pkm_dtype in, out;
    bool bias, base, gelu;
} shape;

/* y and gelu as a kernel writes them, to be dropped. */
static void run(pkm_strip_product_fn *kernel, const shape *s, void **y, void **gelu)
{
    int64_t count = s->m * s->n, step = strip_step(s->k);
    void *a = integers(s->m * s->k, s->in, 1), *rows = integers(s->k * s->n, s->in, 2);
    void *b = integers(strips_count(s->k, s->n), s->in, 3);
    float *bias = integers(s->n, PKM_F32, 4);
    pkm_strip_product product = {.m = s->m,
                                 .n = s->n,
                                 .k = s->k,
                                 .a = a,
                                 .a_row = s->k,
                                 .b = b,
                                 .b_strip = step,
                                 .y_dtype = s->out,
                                 .y_row = s->n,
                                 .bias = s->bias ? bias : NULL,
                                 .base_row = s->n,
                                 .gelu_row = s->n};

    if (s->in == PKM_BF16)
        pkm_pack_strips_bf16_ref(b, step, rows, s->n, s->k, s->n);
    else
        pkm_pack_strips_f32_ref(b, step, rows, s->n, s->k, s->n);
    *y = product.y = integers(count, s->out, 5);
    *gelu = integers(count, s->out, 6);
    product.base = s->base ? product.y : NULL;
    product.gelu = s->gelu ? *gelu : NULL;
    kernel(&product);
    drop(a, s->m * s->k, s->in);
    drop(rows, s->k * s->n, s->in);
    drop(b, strips_count(s->k, s->n), s->in);
    drop(bias, s->n, PKM_F32);
}

/* gelu may differ by a digit of the result. */
static void compare_gelu(const void *got, const void *want, const shape *s)
{
    for (int64_t i = 0; i < s->m * s->n; i++) {
        float tolerance = s->out == PKM_BF16 ? 0x1p-7f : 1e-6f;
        float g = s->out == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)got)[i])
                                     : ((const float *)got)[i];
        float w = s->out == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)want)[i])
                                     : ((const float *)want)[i];

        check_close(&g, &w, 1, tolerance, tolerance, "gelu");
    }
}

static void compare(const pkm_kernels *kernels, const pkm_kernels *reference, const shape *s,
                    int level)
{
    void *got, *want, *got_gelu, *want_gelu;
    size_t bytes = (size_t)(s->m * s->n) * pkm_dtype_bytes(s->out);

    run(kernels->strip_product[s->in], s, &got, &got_gelu);
    run(reference->strip_product[s->in], s, &want, &want_gelu);
    if (memcmp(got, want, bytes) != 0)
        fail_msg("%s: [%lld, %lld] x [%lld, %lld], in %d, out %d, bias %d, base %d, gelu %d",
                 pkm_isa_name((pkm_isa)level), (long long)s->m, (long long)s->k, (long long)s->k,
                 (long long)s->n, s->in, s->out, s->bias, s->base, s->gelu);
    compare_gelu(got_gelu, want_gelu, s);
    drop(got, s->m * s->n, s->out);
    drop(want, s->m * s->n, s->out);
    drop(got_gelu, s->m * s->n, s->out);
    drop(want_gelu, s->m * s->n, s->out);
}

/* Every way to finish, each with another of the sizes. */
static void compare_sizes(const pkm_kernels *kernels, const pkm_kernels *reference, int level)
{
    static const int64_t ms[] = {1, 6, 13, 16, 31, 33, 49}, ks[] = {0, 1, 2, 31, 32, 33, 101};
    static const int64_t ns[] = {1, 16, 17, 33, 90, 96};
    int way = 0;

    for (size_t m = 0; m < sizeof ms / sizeof *ms; m++)
        for (size_t n = 0; n < sizeof ns / sizeof *ns; n++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++, way++)
                for (pkm_dtype in = PKM_F32; in <= PKM_BF16; in++)
                    for (pkm_dtype out = PKM_F32; out <= in; out++) {
                        shape s = {.m = ms[m],
                                   .n = ns[n],
                                   .k = ks[k],
                                   .in = in,
                                   .out = out,
                                   .bias = way & 1,
                                   .base = way & 2,
                                   .gelu = way & 4};

                        compare(kernels, reference, &s, level);
                    }
}

static void test_products(void **state)
{
    pkm_kernels reference, kernels;

    (void)state;
    pkm_kernels_fill(&reference, PKM_ISA_REF);
    for (int level = PKM_ISA_REF + 1; level <= (int)pkm_isa_detected(); level++) {
        pkm_kernels_fill(&kernels, (pkm_isa)level);
        compare_sizes(&kernels, &reference, level);
    }
}

static void compare_packing(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t rows,
                            int64_t columns, pkm_dtype dtype)
{
    int64_t count = strips_count(rows, columns);
    void *in = integers(rows * columns, dtype, 1);
    void *got = integers(count, dtype, 2), *want = integers(count, dtype, 3);

    kernels->pack_strips[dtype](got, strip_step(rows), in, columns, rows, columns);
    reference->pack_strips[dtype](want, strip_step(rows), in, columns, rows, columns);
    assert_memory_equal(got, want, (size_t)count * pkm_dtype_bytes(dtype));
    drop(in, rows * columns, dtype);
    drop(got, count, dtype);
    drop(want, count, dtype);
}

static void test_packing(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 70};
    pkm_kernels reference, kernels;

    (void)state;
    pkm_kernels_fill(&reference, PKM_ISA_REF);
    for (int level = PKM_ISA_REF + 1; level <= (int)pkm_isa_detected(); level++) {
        pkm_kernels_fill(&kernels, (pkm_isa)level);
        for (size_t r = 0; r < sizeof sizes / sizeof *sizes; r++)
            for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++)
                for (pkm_dtype dtype = PKM_F32; dtype <= PKM_BF16; dtype++)
                    compare_packing(&kernels, &reference, sizes[r], sizes[c], dtype);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_packing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
