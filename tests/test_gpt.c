/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/rng.h"
#include "base/threads.h"
#include "models/gpt.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB = 61, SEQ_LEN = 12, ROWS = 2 * SEQ_LEN };

static pkm_train_options small_options(void)
{
    return (pkm_train_options){.layers = 3,
                               .dim = 16,
                               .attn_heads = 2,
                               .seq_len = SEQ_LEN,
                               .memory_layers = {.count = 2, .value = {0, 2}},
                               .n_keys = 7,
                               .memory_heads = 2,
                               .topk = 3,
                               .key_dim = 8,
                               .query_norm = PKM_NORM_LAYER,
                               .precision = PKM_F32,
                               .seed = 5};
}

static pkm_gpt *make(const pkm_train_options *options, bool train)
{
    pkm_gpt_config config;
    pkm_gpt *gpt = NULL;

    check_ok(pkm_gpt_config_from_options(&config, options, VOCAB));
    check_ok(pkm_gpt_create(&gpt, &config, train));
    pkm_gpt_init(gpt, 5);
    for (int i = 0; train && i < gpt->n_stores; i++)
        check_ok(pkm_store_reserve(gpt->stores[i], 2 * ROWS, 2 * ROWS * 14));
    return gpt;
}

/* Two sequences side by side; the last row of each has no target. */
static void fill(pkm_tape *tape)
{
    int32_t *ids = pkm_tape_find(tape, "ids")->data;
    int32_t *targets = pkm_tape_find(tape, "targets")->data;
    int32_t *sequence = pkm_tape_find(tape, "sequence")->data;
    int32_t *position = pkm_tape_find(tape, "position")->data;
    pkm_rng rng = {.seed = 9};

    for (int i = 0; i < ROWS; i++)
        ids[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % VOCAB);
    for (int i = 0; i < ROWS; i++) {
        sequence[i] = i / SEQ_LEN;
        position[i] = i % SEQ_LEN;
        targets[i] = position[i] == SEQ_LEN - 1 ? -1 : ids[i + 1];
    }
}

/* The mean loss; with loss_grad, forward is told it and backward follows. */
static double mean_loss(pkm_gpt *gpt, pkm_tape *tape, const float *loss_grad)
{
    const pkm_run run = {.n_rows = ROWS, .seed = 5, .step = 1, .loss_grad = loss_grad};
    const float *loss = pkm_tape_find(tape, "loss")->data;
    double sum = 0;

    pkm_params_pack(gpt->params);
    check_ok(pkm_tape_forward(tape, &run));
    for (int i = 0; i < ROWS; i++)
        sum += (double)loss[i];
    if (loss_grad != NULL)
        check_ok(pkm_tape_backward(tape, &run));
    return sum / (ROWS - 2);
}

/* Before training every token is about as likely as any other. */
static void test_loss_at_init(void **state)
{
    static const int modes[] = {PKM_MEMORY_REPLACE, PKM_MEMORY_ADD};

    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        pkm_train_options options = small_options();
        pkm_tape *tape;
        pkm_gpt *gpt;
        double loss;

        options.memory_mode = modes[mode];
        options.shared_values = mode == 1;
        gpt = make(&options, false);
        assert_int_equal(gpt->n_stores, mode == 0 ? 2 : 1);
        check_ok(pkm_gpt_tape(&tape, gpt, PKM_MODE_SCORE, ROWS, false, NULL));
        fill(tape);
        loss = mean_loss(gpt, tape, NULL);
        assert_true(fabs(loss - log(VOCAB)) < 0.15);
        pkm_tape_destroy(tape);
        pkm_gpt_destroy(gpt);
    }
}

/* The loss with parameter values moved by step * direction. */
static double moved(pkm_gpt *gpt, pkm_tape *tape, pkm_param *param, const float *direction,
                    float step)
{
    float *data = param->data;
    double loss;

    for (int64_t i = 0; i < param->count; i++)
        data[i] += step * direction[i];
    pkm_param_changed(param);
    loss = mean_loss(gpt, tape, NULL);
    for (int64_t i = 0; i < param->count; i++)
        data[i] -= step * direction[i];
    pkm_param_changed(param);
    return loss;
}

/* The gradient of a table is only ever applied: SGD with rate 1 shows it. */
static void values_gradient(float *out, const pkm_param *param, pkm_store *store)
{
    float *data = param->data;
    size_t bytes = (size_t)param->count * sizeof *data;
    float *before = malloc(bytes);

    memcpy(before, data, bytes);
    check_ok(pkm_store_step(store, 1, 1.0f, 1.0f));
    for (int64_t i = 0; i < param->count; i++)
        out[i] = before[i] - data[i];
    memcpy(data, before, bytes);
    free(before);
}

/*
 * Does the gradient agree with central differences along a random direction? A step that changes
 * which slots are read makes a jump that differences cannot see through: other directions and steps
 * are then tried, and a wrong gradient fails along each.
 */
static void check_gradient(pkm_gpt *gpt, pkm_tape *tape, pkm_param *param, const float *gradient)
{
    static const float steps[] = {1e-3f, 1e-4f, 1e-3f, 1e-4f, 2e-5f};
    float *direction = malloc((size_t)param->count * sizeof *direction);
    double got = 0, want = 0, norm = 0;
    bool agrees = false;

    for (int64_t i = 0; i < param->count; i++)
        norm += (double)gradient[i] * (double)gradient[i];
    for (size_t d = 0; d < sizeof steps / sizeof steps[0] && !agrees; d++) {
        float step = steps[d];

        fill_normal(direction, param->count, d + 100);
        got = 0;
        for (int64_t i = 0; i < param->count; i++)
            got += (double)gradient[i] * (double)direction[i];
        want =
            (moved(gpt, tape, param, direction, step) - moved(gpt, tape, param, direction, -step)) /
            (2 * (double)step);
        agrees = fabs(got - want) < 0.03 * (sqrt(norm) + fabs(got)) + 2e-7 / (double)step;
    }
    if (!agrees)
        fail_msg("%s: gradient %g, differences %g", param->spec.name, got, want);
    free(direction);
}

/* Sharper scores: the last slots read then weigh little, and changing them makes small jumps. */
static void sharpen(pkm_gpt *gpt)
{
    for (int p = 0; p < pkm_params_count(gpt->params); p++) {
        pkm_param *param = pkm_params_at(gpt->params, p);

        if (strstr(param->spec.name, "query_norm.weight") == NULL)
            continue;
        for (int64_t i = 0; i < param->count; i++)
            ((float *)param->data)[i] = 8;
        pkm_param_changed(param);
    }
}

static void check_gradients(const pkm_train_options *options)
{
    pkm_gpt *gpt = make(options, true);
    float seed_grad[ROWS];
    pkm_tape *tape;
    int table = 0;

    sharpen(gpt);
    check_ok(pkm_gpt_tape(&tape, gpt, PKM_MODE_TRAIN, ROWS, false, NULL));
    fill(tape);
    for (int i = 0; i < ROWS; i++)
        seed_grad[i] = 1.0f / (ROWS - 2);
    (void)mean_loss(gpt, tape, seed_grad);
    for (int p = 0; p < pkm_params_count(gpt->params); p++) {
        pkm_param *param = pkm_params_at(gpt->params, p);
        size_t bytes = (size_t)param->count * sizeof(float);
        float *gradient = malloc(bytes);

        if (param->spec.role == PKM_PARAM_DENSE)
            memcpy(gradient, param->grad, bytes);
        else if (param->spec.role == PKM_PARAM_ROWS)
            values_gradient(gradient, param, gpt->stores[table++]);
        if (param->spec.role != PKM_PARAM_BUFFER)
            check_gradient(gpt, tape, param, gradient);
        free(gradient);
    }
    pkm_tape_destroy(tape);
    pkm_gpt_destroy(gpt);
}

static void test_gradients(void **state)
{
    pkm_train_options options = small_options();

    (void)state;
    check_ok(pkm_threads_set(1)); /* thousands of tiny runs: nothing to share out */
    options.value_optimizer = PKM_VALUES_SGD;
    options.topk = 7;
    check_gradients(&options);
    options.memory_mode = PKM_MEMORY_ADD;
    options.shared_values = true;
    options.query_norm = PKM_NORM_BATCH;
    options.output_gate = PKM_OUTPUT_GATE_SWILU;
    options.value_dim = 12;
    check_gradients(&options);
    check_ok(pkm_threads_set(0));
}

/* Loss and all gradients, as bytes, of one forward and backward. */
static float *train_once(int threads, int64_t *count)
{
    pkm_train_options options = small_options();
    pkm_gpt *gpt;
    pkm_tape *tape;
    float seed_grad[ROWS], *out;
    int64_t at = ROWS;

    options.dropout = 0.1;
    check_ok(pkm_threads_set(threads));
    gpt = make(&options, true);
    check_ok(pkm_gpt_tape(&tape, gpt, PKM_MODE_TRAIN, ROWS, false, NULL));
    fill(tape);
    for (int i = 0; i < ROWS; i++)
        seed_grad[i] = 1;
    (void)mean_loss(gpt, tape, seed_grad);
    out = malloc((size_t)(ROWS + pkm_gpt_parameters(gpt)) * sizeof *out);
    memcpy(out, pkm_tape_find(tape, "loss")->data, ROWS * sizeof *out);
    for (int p = 0; p < pkm_params_count(gpt->params); p++) {
        const pkm_param *param = pkm_params_at(gpt->params, p);

        if (param->spec.role != PKM_PARAM_DENSE)
            continue;
        memcpy(out + at, param->grad, (size_t)param->count * sizeof *out);
        at += param->count;
    }
    pkm_tape_destroy(tape);
    pkm_gpt_destroy(gpt);
    check_ok(pkm_threads_set(0));
    *count = at;
    return out;
}

static void test_same_bits_for_any_threads(void **state)
{
    int64_t count = 0, other = 0;
    float *one = train_once(1, &count);

    (void)state;
    for (int threads = 2; threads <= 3; threads++) {
        float *more = train_once(threads, &other);

        assert_int_equal(count, other);
        assert_memory_equal(one, more, (size_t)count * sizeof *one);
        free(more);
    }
    free(one);
}

static void test_bf16_is_near_f32(void **state)
{
    double loss[2];

    (void)state;
    for (int precision = PKM_F32; precision <= PKM_BF16; precision++) {
        pkm_train_options options = small_options();
        pkm_tape *tape;
        pkm_gpt *gpt;

        options.precision = precision;
        gpt = make(&options, false);
        check_ok(pkm_gpt_tape(&tape, gpt, PKM_MODE_SCORE, ROWS, false, NULL));
        fill(tape);
        loss[precision] = mean_loss(gpt, tape, NULL);
        pkm_tape_destroy(tape);
        pkm_gpt_destroy(gpt);
    }
    assert_true(loss[0] != loss[1]);
    assert_true(fabs(loss[0] - loss[1]) < 0.02);
}

/* The loss is that of the logits. */
static void test_logits_agree_with_loss(void **state)
{
    pkm_train_options options = small_options();
    pkm_gpt *gpt = make(&options, false);
    pkm_tape *scoring, *reading;
    const float *logits;
    double sum = 0;

    (void)state;
    check_ok(pkm_gpt_tape(&scoring, gpt, PKM_MODE_SCORE, ROWS, false, NULL));
    check_ok(pkm_gpt_tape(&reading, gpt, PKM_MODE_SCORE, ROWS, true, NULL));
    assert_null(pkm_tape_find(reading, "targets"));
    fill(scoring);
    pkm_gpt_fill(reading, pkm_tape_find(scoring, "ids")->data, SEQ_LEN, 0);
    pkm_params_pack(gpt->params);
    check_ok(pkm_tape_forward(scoring, &(pkm_run){.n_rows = ROWS}));
    check_ok(pkm_tape_forward(reading, &(pkm_run){.n_rows = SEQ_LEN}));
    logits = pkm_tape_find(reading, "logits")->data;
    for (int i = 0; i < VOCAB; i++)
        sum += exp((double)logits[i]);
    sum = log(sum) - (double)logits[((const int32_t *)pkm_tape_find(scoring, "targets")->data)[0]];
    assert_true(fabs(sum - (double)((float *)pkm_tape_find(scoring, "loss")->data)[0]) < 1e-5);
    pkm_tape_destroy(reading);
    pkm_tape_destroy(scoring);
    pkm_gpt_destroy(gpt);
}

static void test_defaults_by_width(void **state)
{
    static const int64_t want[][3] = {/* dim, attn_heads, key_dim */
                                      {16, 1, 32},   {100, 1, 64},    {192, 3, 96},
                                      {256, 4, 128}, {1000, 10, 512}, {2048, 32, 512}};

    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        pkm_train_options options = small_options();
        pkm_gpt_config config;

        options.dim = want[i][0];
        options.attn_heads = options.key_dim = 0;
        check_ok(pkm_gpt_config_from_options(&config, &options, VOCAB));
        assert_int_equal(config.attn_heads, want[i][1]);
        assert_int_equal(config.memory.key_dim, want[i][2]);
        assert_int_equal(config.memory.value_dim, want[i][0]);
        assert_int_equal(config.ffn_dim, 4 * want[i][0]);
    }
}

static void refused(const pkm_train_options *options, const char *option, const char *reason)
{
    pkm_gpt_config config;

    check_fails(pkm_gpt_config_from_options(&config, options, VOCAB), PKM_ERR_ARG, option, reason,
                NULL);
}

static void test_refused_options(void **state)
{
    pkm_train_options options;
    pkm_gpt_config config;

    (void)state;
    options = small_options();
    options.attn_heads = 3;
    refused(&options, "dim is 16", "attn_heads");
    options = small_options();
    options.topk = 8;
    refused(&options, "topk is 8", "7");
    options = small_options();
    options.key_dim = 7;
    refused(&options, "key_dim is 7", "even");
    options = small_options();
    options.memory_layers.value[1] = 3;
    refused(&options, "memory_layers is 3", "0 to 2");
    options.memory_layers.value[1] = 0;
    refused(&options, "memory_layers", "ascending");
    options = small_options();
    check_fails(pkm_gpt_config_from_options(&config, &options, 0), PKM_ERR_ARG, "vocab_size", NULL);
}

static void test_bytes(void **state)
{
    pkm_train_options options = small_options();
    pkm_gpt_config config;
    pkm_gpt *gpt = make(&options, false);
    size_t resident, training;

    (void)state;
    check_ok(pkm_gpt_config_from_options(&config, &options, VOCAB));
    check_ok(pkm_gpt_bytes(&config, false, &resident));
    check_ok(pkm_gpt_bytes(&config, true, &training));
    assert_true(resident >= 4 * (size_t)pkm_gpt_parameters(gpt));
    assert_true(resident < 8 * (size_t)pkm_gpt_parameters(gpt));
    /* dense: gradient and two moments; tables: two moments */
    assert_true(training > 3 * resident && training < 4 * resident);
    pkm_gpt_destroy(gpt);
}

static bool count_down(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int *)user == 0;
}

static void test_out_of_memory(void **state)
{
    pkm_train_options options = small_options();
    pkm_status status = PKM_ERR_NOMEM;
    pkm_gpt_config config;

    (void)state;
    check_ok(pkm_gpt_config_from_options(&config, &options, VOCAB));
    for (int n = 1; status != PKM_OK; n++) {
        pkm_gpt *gpt = NULL;
        pkm_tape *tape = NULL;
        int left = n;

        pkm_alloc_set_hook(count_down, &left);
        status = pkm_gpt_create(&gpt, &config, true);
        if (status == PKM_OK)
            status = pkm_gpt_tape(&tape, gpt, PKM_MODE_TRAIN, ROWS, false, NULL);
        pkm_alloc_set_hook(NULL, NULL);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
        pkm_tape_destroy(tape);
        pkm_gpt_destroy(gpt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_at_init),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_same_bits_for_any_threads),
        cmocka_unit_test(test_bf16_is_near_f32),
        cmocka_unit_test(test_logits_agree_with_loss),
        cmocka_unit_test(test_defaults_by_width),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
