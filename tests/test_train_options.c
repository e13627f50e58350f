/* SPDX-License-Identifier: Apache-2.0 */
/* The table of training options: names, presets that are in range, fields that do not overlap. */
#include "pkm/train.h"

#include <string.h>

#include "support/check.h"

/* The names are a promise to users (command line, JSON, C, Python): none goes, none changes. */
static const char *const promised[] = {
    "layers",
    "dim",
    "attn_heads",
    "seq_len",
    "batch",
    "grad_accum",
    "steps",
    "tokens",
    "epochs",
    "lr",
    "min_lr",
    "warmup",
    "schedule",
    "weight_decay",
    "clip",
    "dropout",
    "seed",
    "threads",
    "precision",
    "memory_layers",
    "memory_mode",
    "key_kind",
    "n_keys",
    "memory_heads",
    "topk",
    "key_dim",
    "value_dim",
    "key_lr",
    "query_norm",
    "gate",
    "output_gate",
    "shared_values",
    "value_dtype",
    "value_optimizer",
    "value_lr",
    "value_schedule",
    "value_clip",
    "map_values",
    "revive_every",
    "revive_below",
    "on_nan",
    "spike_factor",
    "on_spike",
    "eval_every",
    "eval_tokens",
    "checkpoint_every",
    "keep_checkpoints",
    "keep_every",
    "log_every",
    "tensorboard",
};

static size_t field_bytes(pkm_option_type type)
{
    static const size_t bytes[] = {
        [PKM_OPTION_BOOL] = sizeof(bool),           [PKM_OPTION_INT] = sizeof(int64_t),
        [PKM_OPTION_REAL] = sizeof(double),         [PKM_OPTION_CHOICE] = sizeof(int),
        [PKM_OPTION_STRING] = sizeof(char *),       [PKM_OPTION_LIST] = sizeof(pkm_int_list),
        [PKM_OPTION_TEXTS] = sizeof(pkm_text_list),
    };

    return bytes[type];
}

static void test_names(void **state)
{
    const pkm_option_table *table = pkm_train_option_table();
    size_t n_promised = sizeof promised / sizeof promised[0];

    (void)state;
    assert_int_equal(table->count, n_promised);
    for (size_t p = 0; p < n_promised; p++) {
        int found = 0;

        for (int i = 0; i < table->count; i++)
            found += strcmp(table->rows[i].name, promised[p]) == 0;
        if (found != 1)
            fail_msg("option %s stands %d times in the table", promised[p], found);
    }
}

static void test_fields_do_not_overlap(void **state)
{
    const pkm_option_table *table = pkm_train_option_table();
    static unsigned char taken[sizeof(pkm_train_options)];

    (void)state;
    for (int i = 0; i < table->count; i++) {
        const pkm_option *row = &table->rows[i];

        for (size_t at = 0; at < field_bytes(row->type); at++) {
            assert_true(row->offset + at < sizeof taken);
            if (taken[row->offset + at]++)
                fail_msg("option %s shares its field with another", row->name);
        }
    }
}

/* Groups stand together, every row has help, and presets are in range (create checks them). */
static void test_rows(void **state)
{
    const pkm_option_table *table = pkm_train_option_table();
    pkm_option_set *set;
    int changes = 0;

    (void)state;
    for (int i = 0; i < table->count; i++) {
        assert_true(table->rows[i].help[0] != '\0');
        changes += i == 0 || strcmp(table->rows[i].group, table->rows[i - 1].group) != 0;
    }
    assert_int_equal(changes, 4);
    check_ok(pkm_options_create(&set, table));
    pkm_options_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_fields_do_not_overlap),
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
