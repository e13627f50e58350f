/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory layer against its twin in double precision: outputs, and every gradient against the
 * twin's central differences, for each gate, norm and projection, with and without padding, and in
 * the combinations that fail in other implementations (one head, topk = n_keys, one token,
 * value_dim != dim, a masked batch norm).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/memory_twin.h"

typedef struct layer_case {
    int64_t dim, heads, n_keys, key_dim, topk, value_dim, n_tokens;
    bool masked;
    pkm_key_kind key_kind;
} layer_case;

static const layer_case cases[] = {
    {6, 2, 5, 4, 3, 6, 7, false, PKM_KEYS_PRODUCT}, /* plain */
    {6, 2, 5, 4, 3, 6, 7, true, PKM_KEYS_PRODUCT},  /* padding */
    {5, 1, 4, 6, 4, 8, 6, true,
     PKM_KEYS_PRODUCT}, /* one head, topk = n_keys, projection, padding */
    {4, 3, 3, 2, 3, 4, 1, false,
     PKM_KEYS_PRODUCT}, /* one token, topk = n_keys, halves of one feature */
    {7, 1, 1, 2, 1, 3, 5, false, PKM_KEYS_PRODUCT}, /* one slot */
    {4, 2, 6, 8, 2, 5, 3, true, PKM_KEYS_PRODUCT},  /* one real token (row 1) */
    {6, 2, 5, 4, 3, 6, 7, true, PKM_KEYS_FLAT},
    {4, 3, 3, 2, 9, 4, 1, false, PKM_KEYS_FLAT}, /* one token that reads all slots */
};

enum { MAX_ELEMENTS = 512 };

/* One run: the layer, its twin, x and dy in both precisions. */
typedef struct fixture {
    pkm_memory_config config;
    pkm_memory *memory;
    memory_twin twin;
    int64_t n_tokens, count;
    unsigned char mask_bytes[16];
    const unsigned char *mask;
    float x[MAX_ELEMENTS], dy[MAX_ELEMENTS], y[MAX_ELEMENTS], dx[MAX_ELEMENTS];
    double x_twin[MAX_ELEMENTS], dy_twin[MAX_ELEMENTS];
} fixture;

static void perturb(pkm_memory *memory, const char *name, float around, float spread, uint64_t seed)
{
    pkm_memory_tensor tensor;
    float *data;
    int64_t count = 1;

    if (pkm_memory_tensor_find(memory, &tensor, name) != PKM_OK)
        return;
    for (int d = 0; d < tensor.n_dims; d++)
        count *= tensor.dims[d];
    data = malloc((size_t)count * sizeof *data);
    fill_normal(data, count, seed);
    for (int64_t i = 0; i < count; i++)
        data[i] = around + spread * fabsf(data[i]);
    check_ok(pkm_memory_tensor_write(memory, name, data, count));
    free(data);
}

static void set_up(fixture *f, const layer_case *c, pkm_query_norm norm, pkm_gate gate,
                   pkm_output_gate output_gate)
{
    pkm_memory_options options;

    memset(f, 0, sizeof *f);
    f->config = (pkm_memory_config){c->dim,       c->heads, c->n_keys, c->key_dim,  c->topk,
                                    c->value_dim, norm,     gate,      output_gate, c->key_kind};
    pkm_memory_options_init(&options);
    options.max_tokens = 16;
    options.value_optimizer = PKM_VALUES_SGD;
    options.value_lr = 1; /* a step then subtracts the gradient */
    options.lr = options.key_lr = 0;
    options.seed = 11;
    check_ok(pkm_memory_create(&f->memory, &f->config, &options, NULL));
    /* Initial values hide mistakes: a weight of 1, a bias of 0. */
    perturb(f->memory, "query.bias", -0.1f, 0.3f, 1);
    perturb(f->memory, "query_norm.weight", 0.7f, 0.5f, 2);
    perturb(f->memory, "query_norm.bias", -0.2f, 0.4f, 3);
    perturb(f->memory, "query_norm.running_mean", -0.2f, 0.3f, 4);
    perturb(f->memory, "query_norm.running_var", 0.5f, 1, 5);
    perturb(f->memory, "value_proj.bias", -0.2f, 0.3f, 6);
    perturb(f->memory, "swilu.bias", -0.3f, 0.5f, 7);
    memory_twin_init(&f->twin, f->memory, &f->config);
    f->n_tokens = c->n_tokens;
    f->count = c->n_tokens * c->dim;
    for (int64_t i = 0; i < c->n_tokens; i++)
        f->mask_bytes[i] = c->n_tokens == 3 ? i == 1 : i % 3 != 1;
    f->mask = c->masked ? f->mask_bytes : NULL;
    fill_normal(f->x, f->count, 21);
    fill_normal(f->dy, f->count, 22);
    for (int64_t i = 0; i < f->count; i++) {
        f->x_twin[i] = (double)f->x[i];
        f->dy_twin[i] = (double)f->dy[i];
    }
}

static void tear_down(fixture *f)
{
    memory_twin_release(&f->twin);
    pkm_memory_destroy(f->memory);
}

static void check_output(fixture *f, bool train)
{
    double want[MAX_ELEMENTS];
    float rounded[MAX_ELEMENTS];

    memory_twin_forward(&f->twin, want, f->x_twin, f->n_tokens, f->mask, train);
    check_ok(pkm_memory_forward(f->memory, f->y, f->x, f->n_tokens, f->mask, train));
    for (int64_t i = 0; i < f->count; i++)
        rounded[i] = (float)want[i];
    check_close(f->y, rounded, f->count, 2e-5, 2e-5, train ? "training y" : "y");
}

static void check_slopes(fixture *f, double *numbers, const float *got, int64_t count,
                         const char *what)
{
    float *want = malloc((size_t)count * sizeof *want);

    for (int64_t i = 0; i < count; i++)
        want[i] = (float)memory_twin_slope(&f->twin, &numbers[i], f->dy_twin, f->x_twin,
                                           f->n_tokens, f->mask);
    check_close(got, want, count, 1e-4, 1e-4, what);
    free(want);
}

/* The gradient of the values is what a step of SGD at rate 1 took away. */
static void check_values(fixture *f)
{
    twin_tensor *values = memory_twin_find(&f->twin, "values");
    float *gradient = malloc((size_t)values->count * sizeof *gradient);
    pkm_memory_tensor after;

    check_ok(pkm_memory_step(f->memory));
    check_ok(pkm_memory_tensor_find(f->memory, &after, "values"));
    for (int64_t i = 0; i < values->count; i++)
        gradient[i] = (float)(values->data[i] - (double)((const float *)after.data)[i]);
    check_slopes(f, values->data, gradient, values->count, "values");
    free(gradient);
}

static void check_gradients(fixture *f)
{
    check_ok(pkm_memory_backward(f->memory, f->dx, f->dy));
    check_slopes(f, f->x_twin, f->dx, f->count, "dx");
    for (int i = 0; i < f->twin.n_tensors; i++) {
        twin_tensor *tensor = &f->twin.tensors[i];
        pkm_memory_tensor got;

        check_ok(pkm_memory_tensor_find(f->memory, &got, tensor->name));
        if (got.grad != NULL)
            check_slopes(f, tensor->data, got.grad, tensor->count, tensor->name);
    }
    check_values(f);
}

static void test_against_twin(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int norm = PKM_NORM_BATCH; norm <= PKM_NORM_NONE; norm++)
            for (int gate = PKM_GATE_SOFTMAX; gate <= PKM_GATE_RAW; gate++)
                for (int out = PKM_OUTPUT_GATE_NONE; out <= PKM_OUTPUT_GATE_SWILU; out++) {
                    fixture f;

                    set_up(&f, &cases[i], (pkm_query_norm)norm, (pkm_gate)gate,
                           (pkm_output_gate)out);
                    check_output(&f, false);
                    check_output(&f, true);
                    check_gradients(&f);
                    tear_down(&f);
                }
}

/* running = 0.9 running + 0.1 batch; torch takes the unbiased variance. */
static void test_running_statistics(void **state)
{
    layer_case c = {3, 1, 2, 2, 1, 3, 3, false, PKM_KEYS_PRODUCT};
    pkm_memory_tensor mean, variance, weight;
    double q[3], batch_mean = 0, batch_variance = 0;
    float old_mean, old_variance, want[2];
    fixture f;

    (void)state;
    set_up(&f, &c, PKM_NORM_BATCH, PKM_GATE_SOFTMAX, PKM_OUTPUT_GATE_NONE);
    check_ok(pkm_memory_tensor_find(f.memory, &mean, "query_norm.running_mean"));
    check_ok(pkm_memory_tensor_find(f.memory, &variance, "query_norm.running_var"));
    check_ok(pkm_memory_tensor_find(f.memory, &weight, "query.weight"));
    old_mean = ((const float *)mean.data)[0];
    old_variance = ((const float *)variance.data)[0];
    for (int row = 0; row < 3; row++) {
        q[row] = memory_twin_find(&f.twin, "query.bias")->data[0];
        for (int d = 0; d < 3; d++)
            q[row] += (double)((const float *)weight.data)[d] * f.x_twin[row * 3 + d];
        batch_mean += q[row] / 3;
    }
    for (int row = 0; row < 3; row++)
        batch_variance += (q[row] - batch_mean) * (q[row] - batch_mean) / 2;
    check_ok(pkm_memory_forward(f.memory, f.y, f.x, 3, NULL, true));
    want[0] = (float)(0.9 * (double)old_mean + 0.1 * batch_mean);
    want[1] = (float)(0.9 * (double)old_variance + 0.1 * batch_variance);
    check_close(mean.data, &want[0], 1, 1e-6, 0, "running mean");
    check_close(variance.data, &want[1], 1, 1e-6, 0, "running variance");
    /* Neither an evaluation nor a single row teaches them anything. */
    old_mean = ((const float *)mean.data)[0];
    check_ok(pkm_memory_forward(f.memory, f.y, f.x, 3, NULL, false));
    check_ok(pkm_memory_forward(f.memory, f.y, f.x, 1, NULL, true));
    assert_true(((const float *)mean.data)[0] == old_mean);
    tear_down(&f);
}

/* A padded batch gives the bits of its real rows alone, whatever the padding holds. */
static void test_padding_does_not_exist(void **state)
{
    const layer_case padded = {6, 2, 5, 4, 3, 4, 7, true, PKM_KEYS_PRODUCT},
                     packed = {6, 2, 5, 4, 3, 4, 4, false, PKM_KEYS_PRODUCT};
    pkm_memory_tensor a, b;
    fixture f, g;
    int64_t live = 0;

    (void)state;
    for (int norm = PKM_NORM_BATCH; norm <= PKM_NORM_NONE; norm++) {
        set_up(&f, &padded, (pkm_query_norm)norm, PKM_GATE_RELU, PKM_OUTPUT_GATE_SWILU);
        set_up(&g, &packed, (pkm_query_norm)norm, PKM_GATE_RELU, PKM_OUTPUT_GATE_SWILU);
        live = 0;
        for (int64_t row = 0; row < 7; row++) {
            for (int64_t d = 0; d < 6 && f.mask[row] == 0; d++)
                f.x[row * 6 + d] = f.dy[row * 6 + d] = NAN;
            if (f.mask[row] == 0)
                continue;
            memcpy(g.x + live * 6, f.x + row * 6, 6 * sizeof(float));
            memcpy(g.dy + live++ * 6, f.dy + row * 6, 6 * sizeof(float));
        }
        g.n_tokens = live;
        check_ok(pkm_memory_forward(f.memory, f.y, f.x, 7, f.mask, true));
        check_ok(pkm_memory_forward(g.memory, g.y, g.x, live, NULL, true));
        check_ok(pkm_memory_backward(f.memory, f.dx, f.dy));
        check_ok(pkm_memory_backward(g.memory, g.dx, g.dy));
        check_ok(pkm_memory_step(f.memory));
        check_ok(pkm_memory_step(g.memory));
        live = 0;
        for (int64_t row = 0; row < 7; row++) {
            static const float zero[6];
            bool real = f.mask[row] != 0;

            assert_memory_equal(f.y + row * 6, real ? g.y + live * 6 : zero, sizeof zero);
            assert_memory_equal(f.dx + row * 6, real ? g.dx + live * 6 : zero, sizeof zero);
            live += real;
        }
        for (int i = 0; i < pkm_memory_tensor_count(f.memory); i++) {
            check_ok(pkm_memory_tensor_at(f.memory, &a, i));
            check_ok(pkm_memory_tensor_at(g.memory, &b, i));
            assert_memory_equal(a.data, b.data, (size_t)f.twin.tensors[i].count * sizeof(float));
            if (a.grad != NULL)
                assert_memory_equal(a.grad, b.grad,
                                    (size_t)f.twin.tensors[i].count * sizeof(float));
        }
        tear_down(&f);
        tear_down(&g);
    }
}

/* Two backward calls before a step add up: gradients are those of both. */
static void test_accumulation(void **state)
{
    const layer_case c = {6, 2, 5, 4, 3, 4, 7, false, PKM_KEYS_PRODUCT};
    pkm_memory_options options;
    pkm_memory *twice = NULL;
    fixture f;
    pkm_memory_tensor once, both;
    float sum[MAX_ELEMENTS];

    (void)state;
    set_up(&f, &c, PKM_NORM_LAYER, PKM_GATE_SOFTMAX, PKM_OUTPUT_GATE_SWILU);
    pkm_memory_options_init(&options);
    options.max_tokens = 16;
    options.grad_accum = 2;
    options.seed = 11;
    check_ok(pkm_memory_create(&twice, &f.config, &options, NULL));
    for (int i = 0; i < f.twin.n_tensors; i++) {
        check_ok(pkm_memory_tensor_at(f.memory, &once, i));
        check_ok(pkm_memory_tensor_write(twice, once.name, once.data, f.twin.tensors[i].count));
    }
    check_ok(pkm_memory_forward(f.memory, f.y, f.x, 7, NULL, true));
    check_ok(pkm_memory_backward(f.memory, f.dx, f.dy));
    for (int call = 0; call < 2; call++) {
        check_ok(pkm_memory_forward(twice, f.y, f.x, 7, NULL, true));
        check_ok(pkm_memory_backward(twice, NULL, f.dy));
    }
    check_ok(pkm_memory_forward(twice, f.y, f.x, 7, NULL, true));
    check_fails(pkm_memory_backward(twice, NULL, f.dy), PKM_ERR_STATE, "grad_accum", NULL);
    for (int i = 0; i < f.twin.n_tensors; i++) {
        check_ok(pkm_memory_tensor_at(f.memory, &once, i));
        check_ok(pkm_memory_tensor_at(twice, &both, i));
        for (int64_t k = 0; k < f.twin.tensors[i].count && once.grad != NULL; k++)
            sum[k] = once.grad[k] + once.grad[k];
        if (once.grad != NULL)
            check_close(both.grad, sum, f.twin.tensors[i].count, 1e-6, 1e-6, once.name);
    }
    pkm_memory_destroy(twice);
    tear_down(&f);
}

/* bf16 products stay near the twin: 8 bits of mantissa. */
static void test_bf16_precision(void **state)
{
    const pkm_memory_config config = {.dim = 6,
                                      .heads = 2,
                                      .n_keys = 5,
                                      .key_dim = 4,
                                      .topk = 5,
                                      .value_dim = 8,
                                      .query_norm = PKM_NORM_LAYER,
                                      .output_gate = PKM_OUTPUT_GATE_SWILU};
    float x[42], y[2][42], dy[42], dx[2][42];

    (void)state;
    fill_normal(x, 42, 5);
    fill_normal(dy, 42, 6);
    for (int precision = PKM_F32; precision <= PKM_BF16; precision++) {
        pkm_memory_options options;
        pkm_memory *memory = NULL;

        pkm_memory_options_init(&options);
        options.max_tokens = 7;
        options.precision = (pkm_dtype)precision;
        check_ok(pkm_memory_create(&memory, &config, &options, NULL));
        check_ok(pkm_memory_forward(memory, y[precision], x, 7, NULL, true));
        check_ok(pkm_memory_backward(memory, dx[precision], dy));
        check_ok(pkm_memory_step(memory));
        pkm_memory_destroy(memory);
    }
    check_close(y[PKM_BF16], y[PKM_F32], 42, 0.03, 0.03, "y in bf16");
    check_close(dx[PKM_BF16], dx[PKM_F32], 42, 0.03, 0.05, "dx in bf16");
}

static void test_no_tokens(void **state)
{
    const layer_case c = {6, 2, 5, 4, 3, 4, 3, false, PKM_KEYS_PRODUCT};
    const unsigned char none[3] = {0};
    float y[18];
    fixture f;

    (void)state;
    set_up(&f, &c, PKM_NORM_BATCH, PKM_GATE_RAW, PKM_OUTPUT_GATE_SWILU);
    check_ok(pkm_memory_forward(f.memory, NULL, NULL, 0, NULL, true));
    check_ok(pkm_memory_backward(f.memory, NULL, NULL));
    check_ok(pkm_memory_step(f.memory));
    memset(y, 1, sizeof y);
    check_ok(pkm_memory_forward(f.memory, y, f.x, 3, none, true));
    check_ok(pkm_memory_backward(f.memory, f.dx, f.dy));
    check_ok(pkm_memory_step(f.memory));
    for (int i = 0; i < 18; i++)
        assert_true(y[i] == 0 && f.dx[i] == 0);
    tear_down(&f);
}

static void test_not_finite(void **state)
{
    const layer_case c = {6, 2, 5, 4, 3, 4, 7, false, PKM_KEYS_PRODUCT};
    fixture f;

    (void)state;
    set_up(&f, &c, PKM_NORM_NONE, PKM_GATE_SOFTMAX, PKM_OUTPUT_GATE_NONE);
    f.dy[9] = INFINITY;
    check_ok(pkm_memory_forward(f.memory, f.y, f.x, 7, NULL, true));
    check_fails(pkm_memory_backward(f.memory, f.dx, f.dy), PKM_ERR_NUMERIC, "values", NULL);
    check_fails(pkm_memory_step(f.memory), PKM_ERR_STATE, "backward", NULL);
    f.x[3] = NAN;
    check_fails(pkm_memory_forward(f.memory, f.y, f.x, 7, NULL, true), PKM_ERR_NUMERIC,
                "not finite", NULL);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_twin),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_padding_does_not_exist),
        cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_bf16_precision),
        cmocka_unit_test(test_no_tokens),
        cmocka_unit_test(test_not_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
