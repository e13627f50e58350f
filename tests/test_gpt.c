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
        check_ok(pkm_store_reserve(gpt->stores[i], 2 * ROWS, 2 * ROWS * 6));
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

static const pkm_run run = {.n_rows = ROWS, .seed = 5, .step = 1};

static double forward(pkm_gpt *gpt, pkm_tape *tape)
{
    const float *loss = pkm_tape_find(tape, "loss")->data;
    double sum = 0;

    pkm_params_pack(gpt->params);
    check_ok(pkm_tape_forward(tape, &run));
    for (int i = 0; i < ROWS; i++)
        sum += (double)loss[i];
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
        loss = forward(gpt, tape);
        assert_true(fabs(loss - log(VOCAB)) < 0.15);
        pkm_tape_destroy(tape);
        pkm_gpt_destroy(gpt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_at_init),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
