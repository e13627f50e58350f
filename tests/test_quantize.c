/* SPDX-License-Identifier: Apache-2.0 */
/* Models in fewer bits: how far a weight may be off, products with stored weights, decoding against
 * scoring, files there and back, what is refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "dense/dense.h"
#include "infer/decoder.h"
#include "models/model.h"
#include "models/model_dir.h"
#include "support/check.h"
#include "support/malformed.h"

enum { VOCAB = 31, LENGTH = 12 };

static const pkm_dtype dtypes[] = {PKM_BF16, PKM_I8};

/* Every kind of weight: feed-forward part, memory with value projection and output gate. */
static pkm_gpt_config small_config(bool memory)
{
    pkm_gpt_config config = {.vocab_size = VOCAB,
                             .seq_len = LENGTH,
                             .dim = 24,
                             .layers = 2,
                             .attn_heads = 3,
                             .ffn_dim = 40,
                             .norm_epsilon = 1e-5};

    if (!memory)
        return config;
    config.memory_layers = (pkm_int_list){.count = 1, .value = {1}};
    config.memory = (pkm_memory_config){.dim = 24,
                                        .heads = 2,
                                        .n_keys = 6,
                                        .key_dim = 8,
                                        .topk = 4,
                                        .value_dim = 20,
                                        .query_norm = PKM_NORM_BATCH,
                                        .output_gate = PKM_OUTPUT_GATE_SWILU};
    return config;
}

static pkm_gpt *make(bool memory, pkm_dtype compute)
{
    pkm_gpt_config config = small_config(memory);
    pkm_gpt *gpt;

    config.compute = compute;
    check_ok(pkm_gpt_create(&gpt, &config, false));
    pkm_gpt_init(gpt, 5);
    return gpt;
}

static double stored_value(const pkm_param *param, int64_t row, int64_t i)
{
    int64_t at = row * param->spec.dims[1] + i;

    if (param->dtype == PKM_BF16)
        return (double)pkm_bf16_to_f32(((const uint16_t *)param->data)[at]);
    return (double)((const float *)param->scales->data)[row] *
           (double)((const int8_t *)param->data)[at];
}

/* Of a row of which `largest` is the largest element; what is below a float's range may be lost. */
static double allowed(pkm_dtype dtype, double largest, double value)
{
    return (dtype == PKM_I8 ? largest / 127 * 0.5001 : 0x1p-8 * fabs(value)) + 0x1p-126;
}

/* Every element of `to`, which may be turned. */
static void check_near(const pkm_param *to, const pkm_param *from)
{
    int64_t rows = to->spec.dims[0], width = to->spec.dims[1];
    const float *data = from->data;

    for (int64_t row = 0; row < rows; row++) {
        double largest = 0;

        for (int pass = 0; pass < 2; pass++) {
            for (int64_t i = 0; i < width; i++) {
                double x = (double)data[from->spec.in_out ? i * rows + row : row * width + i];

                if (pass == 0)
                    largest = fmax(largest, fabs(x));
                else if (fabs(stored_value(to, row, i) - x) > allowed(to->dtype, largest, x))
                    fail_msg("%s [%d, %d]: %g for %g", to->spec.name, (int)row, (int)i,
                             stored_value(to, row, i), x);
            }
        }
    }
}

static void test_every_element_is_near(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        pkm_gpt *from = make(true, PKM_F32), *to;
        int stored = 0;

        /* A row of zeros, one of the least numbers, one with a large element. */
        memset(pkm_params_find(from->params, "wte.weight")->data, 0, 24 * sizeof(float));
        for (int i = 0; i < 24; i++)
            ((float *)pkm_params_find(from->params, "wte.weight")->data)[24 + i] = 0x1p-140f;
        ((float *)pkm_params_find(from->params, "pkm.values.0")->data)[3] = 1e30f;
        check_ok(pkm_gpt_quantize(&to, from, dtypes[d], dtypes[d]));
        for (int i = 0; i < pkm_params_count(from->params); i++) {
            const pkm_param *a = pkm_params_at(from->params, i);
            const pkm_param *b = pkm_params_find(to->params, a->spec.name);

            if (b->dtype == PKM_F32) {
                assert_memory_equal(a->data, b->data, (size_t)a->count * sizeof(float));
                continue;
            }
            assert_int_equal(b->dtype, dtypes[d]);
            stored++;
            check_near(b, a);
        }
        assert_int_equal(stored, 11); /* wte; 2 c_attn, c_proj; an FFN's 2; 3 and the table */
        pkm_gpt_destroy(from);
        pkm_gpt_destroy(to);
    }
}

/* A map of a stored weight is the map of the numbers it stands for, for few rows and for many. */
static void test_products(void **state)
{
    enum { N_IN = 70, N_OUT = 90, ROWS = 140 };

    (void)state;
    for (int d = 0; d < 2; d++) {
        const pkm_dense_config config = {.n_in = N_IN,
                                         .n_out = N_OUT,
                                         .layout = PKM_WEIGHT_OUT_IN,
                                         .compute = PKM_F32,
                                         .max_rows = ROWS};
        float *x = malloc(ROWS * N_IN * sizeof *x), *w = malloc(N_IN * N_OUT * sizeof *w);
        float *got = malloc(ROWS * N_OUT * sizeof *got),
              *want = malloc(ROWS * N_OUT * sizeof *want);
        float scales[N_OUT];
        void *rows = malloc(N_IN * N_OUT * 2);
        const pkm_dense_stored stored = {rows, dtypes[d], scales};
        pkm_dense *a, *b;

        assert_true(x != NULL && w != NULL && got != NULL && want != NULL && rows != NULL);
        fill_normal(x, ROWS * N_IN, 1);
        fill_normal(w, N_IN * N_OUT, 2);
        for (int i = 0; i < N_OUT; i++)
            scales[i] = 0.01f * (float)(i + 1);
        for (int i = 0; i < N_IN * N_OUT; i++) {
            if (dtypes[d] == PKM_BF16)
                ((uint16_t *)rows)[i] = pkm_f32_to_bf16(w[i]);
            else
                ((int8_t *)rows)[i] = (int8_t)lrintf(40 * w[i] / 5);
        }
        for (int o = 0; o < N_OUT; o++)
            pkm_dense_stored_row(w + o * N_IN, &stored, o, N_IN);
        check_ok(pkm_dense_create(&a, &config));
        check_ok(pkm_dense_create(&b, &config));
        pkm_dense_pack(a, w);
        pkm_dense_pack_stored(b, &stored);
        for (int n = 1; n <= ROWS; n += n < 6 ? 1 : 67) {
            check_ok(pkm_dense_forward(a, want, PKM_F32, x, NULL, n));
            check_ok(pkm_dense_forward(b, got, PKM_F32, x, NULL, n));
            check_close(got, want, n * N_OUT, 1e-4, 1e-5, "a product with a stored weight");
        }
        pkm_dense_destroy(a);
        pkm_dense_destroy(b);
        free(x);
        free(w);
        free(got);
        free(want);
        free(rows);
    }
}

/* The logits after `length` ids, token by token or at once. */
static void logits_of(pkm_gpt *gpt, float out[VOCAB], const int32_t *ids, int64_t length,
                      int64_t step)
{
    pkm_decoder *decoder;
    const float *logits = NULL;

    check_ok(pkm_decoder_create(&decoder, gpt));
    for (int64_t i = 0; i < length; i += step)
        check_ok(pkm_decoder_feed(decoder, &logits, ids + i, step));
    memcpy(out, logits, VOCAB * sizeof *out);
    pkm_decoder_destroy(decoder);
}

/* The quantised model one token at a time, as a prompt, and next to the model it was made of. */
static void test_decoding_agrees(void **state)
{
    static const int32_t ids[LENGTH] = {3, 14, 15, 9, 2, 6, 5, 30, 0, 8, 9, 7};

    (void)state;
    for (int i = 0; i < 8; i++) {
        bool memory = (i & 1) != 0;
        pkm_dtype dtype = dtypes[i >> 1 & 1], compute = (i & 4) != 0 ? PKM_BF16 : PKM_F32;
        double tolerance = compute == PKM_BF16 ? 2e-2 : 1e-5;
        pkm_gpt *from = make(memory, compute), *to;
        float full[VOCAB], whole[VOCAB], steps[VOCAB];

        check_ok(pkm_gpt_quantize(&to, from, dtype, dtype));
        logits_of(from, full, ids, LENGTH, LENGTH);
        logits_of(to, whole, ids, LENGTH, LENGTH);
        logits_of(to, steps, ids, LENGTH, 1);
        check_close(steps, whole, VOCAB, tolerance, tolerance, "decoded logits");
        check_close(whole, full, VOCAB, 5e-2, 5e-2, "logits in fewer bits");
        assert_memory_not_equal(whole, full, sizeof full);
        pkm_gpt_destroy(from);
        pkm_gpt_destroy(to);
    }
}

/* ---- files ---- */

typedef struct folders {
    char *root, *from, *to, *weights;
} folders;

static folders f;

static int make_folders(void **state)
{
    pkm_gpt *gpt = make(true, PKM_F32);
    const pkm_quantize_config config = {PKM_I8, PKM_I8};
    char *to; /* there already, and its name completed by a shell */

    (void)state;
    f.root = temp_create();
    check_ok(pkm_path_join(&to, f.root, "to//"));
    check_ok(pkm_path_join(&f.from, f.root, "from"));
    check_ok(pkm_path_join(&f.to, f.root, "to"));
    check_ok(pkm_path_join(&f.weights, f.to, "model.safetensors"));
    check_ok(pkm_directory_create(f.from));
    check_ok(pkm_model_dir_save_config(f.from, &gpt->config, NULL));
    check_ok(pkm_model_dir_save_weights(f.from, gpt, 77));
    pkm_gpt_destroy(gpt);
    check_ok(pkm_directory_create(to));
    check_ok(pkm_model_quantize(f.from, to, &config, NULL));
    pkm_free(to);
    return 0;
}

static int remove_folders(void **state)
{
    (void)state;
    temp_remove(f.root);
    pkm_free(f.from);
    pkm_free(f.to);
    pkm_free(f.weights);
    return 0;
}

static pkm_status load(const char *path)
{
    const pkm_model_options read = {.precision = -1, .no_mmap = true};
    pkm_model *model = NULL;
    pkm_status status = pkm_model_load(&model, f.to, NULL), again;
    pkm_error_copy error;

    (void)path;
    pkm_error_keep(&error);
    pkm_model_destroy(model);
    model = NULL;
    again = pkm_model_load(&model, f.to, &read);
    pkm_model_destroy(model);
    assert_int_equal(status, again);
    if (status != PKM_OK)
        pkm_error_restore(&error);
    return status;
}

/* What was computed with in memory is what is read back, and the table is read where it lies. */
static void test_file_round_trip(void **state)
{
    pkm_gpt *gpt = make(true, PKM_F32), *made, *opened;
    pkm_st_reader *weights;

    (void)state;
    check_ok(pkm_gpt_quantize(&made, gpt, PKM_I8, PKM_I8));
    check_ok(pkm_model_dir_open(&opened, &weights, f.to, -1, false));
    for (int i = 0; i < pkm_params_count(made->params); i++) {
        const pkm_param *a = pkm_params_at(made->params, i);
        const pkm_param *b = pkm_params_find(opened->params, a->spec.name);

        assert_int_equal(a->dtype, b->dtype);
        assert_memory_equal(a->data, b->data, (size_t)a->count * pkm_dtype_bytes(a->dtype));
    }
    assert_ptr_equal(pkm_params_find(opened->params, "pkm.values.0")->data,
                     pkm_st_find(weights, "pkm.values.0")->data);
    assert_string_equal(pkm_st_metadata(weights, "pkm_step"), "77");
    pkm_gpt_destroy(opened);
    pkm_st_close(weights);
    pkm_gpt_destroy(made);
    pkm_gpt_destroy(gpt);
}

static void test_refusals(void **state)
{
    pkm_quantize_config config = {PKM_I8, PKM_I8};
    pkm_gpt *gpt = NULL, *source = make(true, PKM_F32);
    pkm_gpt_config stored = small_config(true);
    char *other, *blocked;

    (void)state;
    check_ok(pkm_path_join(&other, f.root, "other"));
    check_ok(pkm_path_join(&blocked, f.weights, "below"));
    check_fails(pkm_model_quantize(f.to, other, &config, NULL), PKM_ERR_UNSUPPORTED,
                "quantised already", f.to, NULL);
    check_fails(pkm_model_quantize(f.from, f.to, &config, NULL), PKM_ERR_ARG, f.to,
                "holds something", NULL);
    check_fails(pkm_model_quantize(f.from, f.weights, &config, NULL), PKM_ERR_ARG, "is a file",
                NULL);
    check_fails(pkm_model_quantize(f.from, blocked, &config, NULL), PKM_ERR_IO, "model.safetensors",
                NULL);
    config.values = PKM_F32;
    check_fails(pkm_model_quantize(f.from, other, &config, NULL), PKM_ERR_ARG, "values is 0", NULL);
    assert_false(pkm_directory_exists(other));
    stored.value_dtype = PKM_I8;
    check_fails(pkm_gpt_create(&gpt, &stored, true), PKM_ERR_UNSUPPORTED, "quantised", NULL);
    ((float *)pkm_params_find(source->params, "pkm.values.0")->data)[7] = NAN;
    check_fails(pkm_gpt_quantize(&gpt, source, PKM_I8, PKM_I8), PKM_ERR_NUMERIC, "pkm.values.0",
                "element 7", NULL);
    assert_null(gpt);
    pkm_gpt_destroy(source);
    pkm_free(other);
    pkm_free(blocked);
}

/* The n-th allocation fails: nothing is left in memory, nor a folder. */
static bool count_down(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int *)user == 0;
}

static int names_in_root(void)
{
    pkm_names names = {0};
    int count;

    check_ok(pkm_directory_list(&names, f.root));
    count = (int)names.count;
    pkm_names_release(&names);
    return count;
}

static void test_out_of_memory(void **state)
{
    const pkm_quantize_config config = {PKM_I8, PKM_I8};
    int64_t live = pkm_alloc_live();
    pkm_status status = PKM_ERR_NOMEM;
    char *out;

    (void)state;
    check_ok(pkm_path_join(&out, f.root, "out"));
    live++;
    for (int n = 1; status != PKM_OK; n++) {
        int left = n;

        pkm_alloc_set_hook(count_down, &left);
        status = pkm_model_quantize(f.from, out, &config, NULL);
        pkm_alloc_set_hook(NULL, NULL);
        assert_int_equal(pkm_alloc_live(), live);
        assert_int_equal(names_in_root(), status == PKM_OK ? 3 : 2);
        if (status != PKM_OK)
            assert_int_equal(status, PKM_ERR_NOMEM);
    }
    pkm_free(out);
}

/* A scale of the first row of wte in the good file, found by its tensor. */
static void test_scales(void **state)
{
    static const float bad[] = {NAN, INFINITY, 0.0f, -1.0f, 1e38f};
    pkm_st_reader *reader;
    char *bytes;
    size_t size, at;

    (void)state;
    check_ok(pkm_st_open(&reader, f.weights, PKM_ST_READ));
    check_ok(pkm_file_read(&bytes, &size, f.weights, 1 << 20));
    at = size;
    for (int64_t i = 0; i < pkm_st_count(reader); i++)
        at -= (size_t)pkm_st_at(reader, i)->bytes;
    at += (size_t)pkm_st_find(reader, "wte.weight.scale")->offset;
    pkm_st_close(reader);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char good[sizeof bad[0]];

        memcpy(good, bytes + at, sizeof good);
        memcpy(bytes + at, &bad[i], sizeof bad[i]);
        malformed_write(f.weights, bytes, size);
        check_fails(load(f.weights), PKM_ERR_NUMERIC, "wte.weight.scale", "element 0", NULL);
        memcpy(bytes + at, good, sizeof good);
    }
    malformed_write(f.weights, bytes, size);
    pkm_free(bytes);
    check_ok(load(f.weights));
}

static void repair(unsigned char *data, size_t bytes)
{
    static size_t data_bytes;
    size_t length = 0;

    for (int i = 7; i >= 0; i--)
        length = length << 8 | data[i];
    if (data_bytes == 0)
        data_bytes = bytes - 8 - length;
    length = bytes < 8 + data_bytes ? 0 : bytes - 8 - data_bytes;
    for (int i = 0; i < 8; i++)
        data[i] = (unsigned char)(length >> (8 * i));
}

static const malformed_case tensors[] = {
    {"the shape of training",
     BYTES("'h.0.attn.c_attn.weight':{'dtype':'I8','shape':[72,24]"),
     BYTES("'h.0.attn.c_attn.weight':{'dtype':'I8','shape':[24,72]"),
     PKM_ERR_SHAPE,
     {"'h.0.attn.c_attn.weight'", "expected [72, 24]"}},
    {"bytes of another meaning",
     BYTES("'h.0.attn.c_attn.weight':{'dtype':'I8'"),
     BYTES("'h.0.attn.c_attn.weight':{'dtype':'U8'"),
     PKM_ERR_UNSUPPORTED,
     {"'h.0.attn.c_attn.weight'", "U8: expected I8"}},
    {"a table of another meaning",
     BYTES("'pkm.values.0':{'dtype':'I8'"),
     BYTES("'pkm.values.0':{'dtype':'U8'"),
     PKM_ERR_UNSUPPORTED,
     {"'pkm.values.0'", "U8: expected I8"}},
    {"norms in int8",
     BYTES("'ln_f.bias':{'dtype':'F32','shape':[24]"),
     BYTES("'ln_f.bias':{'dtype':'I8','shape':[96]"),
     PKM_ERR_SHAPE,
     {"'ln_f.bias'", "[96]"}},
    {"no scales",
     BYTES("'wte.weight.scale'"),
     BYTES("'wte.weight.scalf'"),
     PKM_ERR_FORMAT,
     {"'wte.weight.scale'", "missing"}},
    {"no scales of the table",
     BYTES("'pkm.values.0.scale'"),
     BYTES("'pkm.values.0.scalf'"),
     PKM_ERR_FORMAT,
     {"'pkm.values.0.scale'", "missing"}},
    {"half as many scales",
     BYTES("'pkm.values.0.scale':{'dtype':'F32','shape':[36]"),
     BYTES("'pkm.values.0.scale':{'dtype':'F64','shape':[18]"),
     PKM_ERR_SHAPE,
     {"'pkm.values.0.scale'", "expected [36]"}},
};

static void test_malformed(void **state)
{
    const malformed_format format = {.name = "quantised model.safetensors",
                                     .file = f.weights,
                                     .quotes = true,
                                     .read = load,
                                     .repair = repair};
    unsigned char *good;
    size_t bytes;

    (void)state;
    check_ok(pkm_file_read((char **)&good, &bytes, f.weights, 1 << 20));
    repair(good, bytes); /* learns how much data there is */
    pkm_free(good);
    malformed_check(&format, tensors, sizeof tensors / sizeof tensors[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_element_is_near),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_decoding_agrees),
        cmocka_unit_test(test_file_round_trip),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
