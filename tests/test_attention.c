/* SPDX-License-Identifier: Apache-2.0 */
/* Attention beyond its gradients: decoding with a KV cache, in steps of any size, against one run
 * over whole sequences; what the cache refuses. */
#include "ops/attention.h"

#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "graph/tape.h"
#include "ops/ops.h"
#include "support/check.h"

enum { HEADS = 3, HEAD_DIM = 10, DIM = HEADS * HEAD_DIM, LENGTH = 83, SEQUENCES = 2, LAYERS = 2 };

typedef struct fixture {
    pkm_tape *tape;
    pkm_tensor *qkv, *sequence, *position, *out;
} fixture;

static pkm_status build(fixture *f, pkm_mode mode, pkm_dtype dtype, pkm_kv_cache *cache)
{
    const int64_t width = 3 * DIM;
    pkm_attention_attr attr = {
        .n_heads = HEADS, .seq_len = LENGTH, .cache = cache, .layer = LAYERS - 1};
    pkm_node_spec spec = {
        .op = &pkm_op_attention, .name = "attn", .attr = &attr, .attr_bytes = sizeof attr};

    check_ok(pkm_tape_create(&f->tape, mode));
    check_ok(pkm_tape_input(f->tape, &f->qkv, "qkv", dtype, 1, &width));
    check_ok(pkm_tape_input(f->tape, &f->sequence, "sequence", PKM_I32, 0, NULL));
    check_ok(pkm_tape_input(f->tape, &f->position, "position", PKM_I32, 0, NULL));
    spec.in[0] = f->qkv;
    spec.in[1] = f->sequence;
    spec.in[2] = f->position;
    PKM_TRY(pkm_tape_add(f->tape, &f->out, &spec));
    pkm_tape_keep(f->tape, f->out);
    return pkm_tape_plan(f->tape, SEQUENCES * LENGTH, NULL);
}

static pkm_kv_cache *make_cache(pkm_dtype dtype)
{
    const pkm_kv_cache_config config = {LAYERS, SEQUENCES, LENGTH, DIM, dtype};
    pkm_kv_cache *cache;

    check_ok(pkm_kv_cache_create(&cache, &config));
    return cache;
}

/* Rows of the whole: sequence by sequence. */
static float *make_rows(void)
{
    float *rows = malloc(SEQUENCES * LENGTH * 3 * DIM * sizeof *rows);

    assert_non_null(rows);
    fill_normal(rows, SEQUENCES * LENGTH * 3 * DIM, 9);
    return rows;
}

/* Adds positions [first, first + count) of a sequence to the rows of the next run. */
static void put_rows(fixture *f, pkm_run *run, const float *rows, int sequence, int first,
                     int count)
{
    for (int i = 0; i < count; i++, run->n_rows++) {
        const float *row = rows + (sequence * LENGTH + first + i) * 3 * DIM;

        for (int k = 0; k < 3 * DIM; k++) {
            if (f->qkv->dtype == PKM_BF16)
                ((uint16_t *)f->qkv->data)[run->n_rows * 3 * DIM + k] = pkm_f32_to_bf16(row[k]);
            else
                ((float *)f->qkv->data)[run->n_rows * 3 * DIM + k] = row[k];
        }
        ((int32_t *)f->sequence->data)[run->n_rows] = sequence;
        ((int32_t *)f->position->data)[run->n_rows] = first + i;
    }
}

static void copy_out(float *to, const fixture *f, int64_t first, int64_t n_rows)
{
    for (int64_t i = 0; i < n_rows * DIM; i++)
        to[i] = f->out->dtype == PKM_BF16
                    ? pkm_bf16_to_f32(((const uint16_t *)f->out->data)[first * DIM + i])
                    : ((const float *)f->out->data)[first * DIM + i];
}

/* Both sequences together, in steps of the given numbers of rows (cyclic). */
static void check_decoding(pkm_dtype dtype, const int *steps, int n_steps)
{
    double tolerance = dtype == PKM_BF16 ? 1.5e-2 : 2e-6;
    float *rows = make_rows(), *want = malloc(SEQUENCES * LENGTH * DIM * sizeof *want);
    float got[LENGTH * DIM];
    pkm_kv_cache *cache = make_cache(dtype);
    fixture whole, decode;
    pkm_run run = {0};

    assert_non_null(want);
    check_ok(build(&whole, PKM_MODE_SCORE, dtype, NULL));
    check_ok(build(&decode, PKM_MODE_DECODE, dtype, cache));
    for (int s = 0; s < SEQUENCES; s++)
        put_rows(&whole, &run, rows, s, 0, LENGTH);
    check_ok(pkm_tape_forward(whole.tape, &run));
    copy_out(want, &whole, 0, run.n_rows);
    for (int first = 0, step = 0; first < LENGTH; step++) {
        int count = steps[step % n_steps];

        count = count < LENGTH - first ? count : LENGTH - first;
        run.n_rows = 0;
        for (int s = 0; s < SEQUENCES; s++)
            put_rows(&decode, &run, rows, s, first, count);
        check_ok(pkm_tape_forward(decode.tape, &run));
        for (int s = 0; s < SEQUENCES; s++) {
            copy_out(got, &decode, s * count, count);
            check_close(got, want + (s * LENGTH + first) * DIM, count * DIM, tolerance, tolerance,
                        "decoded rows");
        }
        first += count;
    }
    assert_int_equal(cache->filled[(LAYERS - 1) * SEQUENCES], LENGTH);
    assert_int_equal(cache->filled[0], 0);
    pkm_tape_destroy(whole.tape);
    pkm_tape_destroy(decode.tape);
    pkm_kv_cache_destroy(cache);
    free(rows);
    free(want);
}

static void test_decoding_is_the_whole(void **state)
{
    static const int one[] = {1}, mixed[] = {40, 1, 7, 33}, all[] = {LENGTH};

    (void)state;
    for (pkm_dtype dtype = PKM_F32; dtype <= PKM_BF16; dtype++) {
        check_decoding(dtype, one, 1);
        check_decoding(dtype, mixed, 4);
        check_decoding(dtype, all, 1);
    }
}

/* A position that is cached already starts over from there. */
static void test_goes_back(void **state)
{
    float *rows = make_rows(), first[DIM], again[DIM];
    pkm_kv_cache *cache = make_cache(PKM_F32);
    fixture f;
    pkm_run run = {0};

    (void)state;
    check_ok(build(&f, PKM_MODE_DECODE, PKM_F32, cache));
    put_rows(&f, &run, rows, 1, 0, 6);
    check_ok(pkm_tape_forward(f.tape, &run));
    copy_out(first, &f, 4, 1);
    run.n_rows = 0;
    put_rows(&f, &run, rows, 1, 4, 1);
    check_ok(pkm_tape_forward(f.tape, &run));
    copy_out(again, &f, 0, 1);
    check_close(again, first, DIM, 2e-6, 2e-6, "the row computed again");
    assert_int_equal(cache->filled[(LAYERS - 1) * SEQUENCES + 1], 5);
    pkm_tape_destroy(f.tape);
    pkm_kv_cache_destroy(cache);
    free(rows);
}

static void test_refuses(void **state)
{
    float *rows = make_rows();
    pkm_kv_cache *cache = make_cache(PKM_F32);
    fixture f, other;
    pkm_run run = {0};

    (void)state;
    check_fails(build(&other, PKM_MODE_DECODE, PKM_F32, NULL), PKM_ERR_ARG, "KV cache", NULL);
    pkm_tape_destroy(other.tape);
    check_fails(build(&other, PKM_MODE_DECODE, PKM_BF16, cache), PKM_ERR_SHAPE, "KV cache", NULL);
    pkm_tape_destroy(other.tape);
    check_ok(build(&f, PKM_MODE_DECODE, PKM_F32, cache));
    put_rows(&f, &run, rows, 0, 3, 1);
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_ARG, "'attn'", "position 3", "0 are cached",
                NULL);
    ((int32_t *)f.position->data)[0] = LENGTH;
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_ARG, "'position' is 83", NULL);
    ((int32_t *)f.position->data)[0] = 0;
    ((int32_t *)f.sequence->data)[0] = SEQUENCES;
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_ARG, "'sequence' is 2", NULL);
    ((int32_t *)f.sequence->data)[0] = 0;
    put_rows(&f, &run, rows, 0, 2, 1);
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_ARG, "from 0 to 2", "row 1", NULL);
    pkm_tape_destroy(f.tape);
    pkm_kv_cache_destroy(cache);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding_is_the_whole),
        cmocka_unit_test(test_goes_back),
        cmocka_unit_test(test_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
