/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NaN, an infinity or an overflow is found in the step that meets it and named, wherever it is;
 * and a step that cannot be taken leaves no trace.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "support/check.h"
#include "support/run.h"
#include "support/state.h"
#include "train/health.h"
#include "train/trainer.h"

static pkm_option_set *tiny_options(const char *const *options)
{
    pkm_option_set *set = small_options(options);

    check_ok(pkm_options_set_text(set, "dim", "16", PKM_ORIGIN_ARGS));
    check_ok(pkm_options_set_text(set, "seq_len", "8", PKM_ORIGIN_ARGS));
    return set;
}

/* A trainer that took some steps. */
static pkm_trainer *trained(const char *run, const char *const *options)
{
    char *out = small_world_run(&the_world, run);
    pkm_train_paths paths = {.data = the_world.data, .tokenizer = the_world.data, .out = out};
    pkm_option_set *set = tiny_options(options);
    pkm_step_result result;
    pkm_trainer *trainer;

    check_ok(pkm_threads_set(1)); /* many short steps */
    check_ok(pkm_directory_remove(out));
    check_ok(pkm_trainer_create(&trainer, &paths, set, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        check_ok(pkm_trainer_gather(trainer, &result));
        check_ok(pkm_trainer_update(trainer, &result));
        trainer->state.step++;
        trainer->state.tokens += trainer->plan.tokens_per_step;
    }
    pkm_options_destroy(set);
    pkm_free(out);
    return trainer;
}

static const char *const adam[] = {"query_norm", "batch", "output_gate", "swilu", "precision",
                                   "f32",        "clip",  "0",           NULL};
static const char *const adagrad[] = {
    "value_optimizer", "adagrad", "value_dtype", "bf16", "precision", "bf16", "memory_mode", "add",
    "value_clip",      "1",       "grad_accum",  "2",    "batch",     "2",    NULL};
static const char *const sgd[] = {
    "value_optimizer", "sgd", "query_norm",    "layer", "gate", "relu",
    "memory_layers",   "0,1", "shared_values", "true",  NULL};
static const char *const adam_row[] = {"value_optimizer", "adam_row", "precision", "f32", NULL};
static const char *const *const variants[] = {adam, adagrad, sgd, adam_row};

/* Each array that a step reads or writes, spoilt before the step. */
static void test_every_tensor_is_named(void **state)
{
    const float bad[] = {NAN, INFINITY, NAN, -INFINITY};

    (void)state;
    for (int v = 0; v < 3; v++) {
        pkm_trainer *trainer = trained("named", variants[v]);
        model_state kept;

        state_keep(&kept, trainer->gpt);
        for (int i = 0; i < 2 * kept.count; i++) {
            const char *name = kept.arrays[i / 2].name;
            pkm_step_result result;
            pkm_status status;

            state_spoil(&kept, i / 2, bad[i % 4]);
            status = pkm_trainer_gather(trainer, &result);
            if (status == PKM_OK)
                status = pkm_trainer_update(trainer, &result);
            check_fails(status, PKM_ERR_NUMERIC, name, NULL);
            assert_int_equal(result.fault, PKM_FAULT_MODEL);
            state_restore(&kept);
        }
        state_release(&kept);
        pkm_trainer_destroy(trainer);
    }
}

/* A finite model that overflows: which tensor, and that nothing changed. */
typedef struct overflow {
    const char *const *options;
    const char *spoilt; /* array that is given the value, or NULL: the gradient of the loss */
    float value;
    const char *named;
} overflow;

static const overflow overflows[] = {
    {adam, "h.0.ln_1.weight", 3e38f, "tensor 'h.0.ln_1'"},
    {adam, "h.0.attn.c_attn.weight", 1e38f, "node 'h.0.attn'"},
    {adam, "h.0.mlp.c_fc.weight", 3e38f, "tensor 'h.0.mlp.c_fc'"},
    {adam, "ln_f.weight", 3e38f, "node 'ln_f'"},
    {adam, "wte.weight", 3e38f, "tensor 'loss'"},
    {adam, "h.1.pkm.keys", 3e38f, "node 'h.1.pkm'"},
    {adam, "pkm.values.0", 3.4e38f, "tensor 'h.1.pkm'"},
    {adam, "h.1.ln_2.weight", 3e38f, "tensor 'h.1.ln_2'"},
    {adagrad, "h.0.ln_1.weight", 3.39e38f, "node 'h.0.ln_1'"}, /* no bf16 */
    {adagrad, "h.0.attn.c_proj.bias", 3.4e38f, "node 'h.0.attn.c_proj'"},
    {adam, NULL, 3e38f, "gradient of 'wte.weight'"},
    {adam, NULL, 1e30f, "exploded"}, /* without clipping */
    {adagrad, NULL, 3e38f, "gradient of 'wte.weight'"},
    {sgd, "pkm.values.0", 3.4e38f, "tensor 'h.0.pkm'"},
    {sgd, NULL, INFINITY, "gradient of tensor 'ln_f'"},
    {sgd, NULL, NAN, "gradient of tensor 'ln_f'"},
};

static void spoil(pkm_trainer *trainer, model_state *kept, const overflow *c)
{
    trainer->seed_grad[5] = c->spoilt == NULL ? c->value : trainer->seed_grad[4];
    for (int i = 0; i < kept->count && c->spoilt != NULL; i++)
        if (strcmp(kept->arrays[i].name, c->spoilt) == 0)
            state_spoil(kept, i, c->value);
}

static void test_overflow_leaves_no_trace(void **state)
{
    pkm_trainer *trainer = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof overflows / sizeof overflows[0]; i++) {
        const overflow *c = &overflows[i];
        model_state before, spoilt;
        pkm_step_result result;

        if (i == 0 || c->options != overflows[i - 1].options) {
            pkm_trainer_destroy(trainer);
            trainer = trained("overflow", c->options);
        }
        state_keep(&before, trainer->gpt);
        spoil(trainer, &before, c);
        state_keep(&spoilt, trainer->gpt);
        check_fails(pkm_trainer_gather(trainer, &result), PKM_ERR_NUMERIC, c->named, NULL);
        assert_int_equal(result.fault, PKM_FAULT_NUMBERS);
        check_state_same(&spoilt);
        for (int s = 0; s < trainer->gpt->n_stores; s++)
            assert_int_equal(pkm_store_touched(trainer->gpt->stores[s]), 0);
        state_restore(&before);
        trainer->seed_grad[5] = trainer->seed_grad[4];
        check_ok(pkm_trainer_gather(trainer, &result));
        pkm_trainer_drop(trainer);
        check_state_same(&before);
        state_release(&before);
        state_release(&spoilt);
    }
    pkm_trainer_destroy(trainer);
}

/* A model or checkpoint that holds a NaN is refused by name, whoever wrote it. */
static void test_nothing_bad_is_loaded(void **state)
{
    pkm_trainer *trainer = trained("loaded", adam), *refused;
    char *run = small_world_run(&the_world, "loaded"),
         *other = small_world_run(&the_world, "other");
    pkm_train_paths paths = {.data = the_world.data, .tokenizer = the_world.data, .out = run};
    pkm_option_set *set = tiny_options(adam);
    char *checkpoint;
    model_state kept;

    (void)state;
    state_keep(&kept, trainer->gpt);
    for (int i = 0; i < kept.count; i++) {
        bool moment = strstr(kept.arrays[i].name, ".exp_avg") != NULL;

        if (strncmp(kept.arrays[i].name, "h.1.pkm.keys", 12) != 0 &&
            strncmp(kept.arrays[i].name, "pkm.values", 10) != 0)
            continue;
        state_spoil(&kept, i, INFINITY);
        check_ok(pkm_run_folder_step(&trainer->folder, &checkpoint, 3));
        check_ok(pkm_checkpoint_save(checkpoint, trainer->gpt, &trainer->state, trainer->tokenizer,
                                     trainer->tokenizer_bytes));
        pkm_run_folder_close(&trainer->folder);
        paths.out = run;
        paths.resume = true;
        paths.init_from = NULL;
        check_fails(pkm_trainer_create(&refused, &paths, set, NULL, NULL), PKM_ERR_NUMERIC,
                    checkpoint, kept.arrays[i].name, NULL);
        paths.out = other;
        paths.resume = false;
        paths.init_from = checkpoint;
        if (!moment) /* of a model to start from, only the weights are read */
            check_fails(pkm_trainer_create(&refused, &paths, set, NULL, NULL), PKM_ERR_NUMERIC,
                        checkpoint, kept.arrays[i].name, NULL);
        check_ok(pkm_run_folder_open(&trainer->folder, run, true));
        state_restore(&kept);
        pkm_free(checkpoint);
    }
    state_release(&kept);
    pkm_options_destroy(set);
    pkm_trainer_destroy(trainer);
    pkm_free(run);
    pkm_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tensor_is_named),
        cmocka_unit_test(test_overflow_leaves_no_trace),
        cmocka_unit_test(test_nothing_bad_is_loaded),
    };

    return cmocka_run_group_tests(tests, the_world_create, the_world_destroy);
}
