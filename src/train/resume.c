/* SPDX-License-Identifier: Apache-2.0 */
#include "train/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "format/json.h"
#include "models/model_dir.h"

#define FIELD(member) offsetof(pkm_gpt_config, member), sizeof(((pkm_gpt_config *)0)->member)

/* The options that shape a model's tensors or mathematics, and where a configuration holds them. */
static const struct {
    const char *name;
    size_t offset, bytes;
} shaping[] = {
    {"layers", FIELD(layers)},
    {"dim", FIELD(dim)},
    {"attn_heads", FIELD(attn_heads)},
    {"seq_len", FIELD(seq_len)},
    {"memory_layers", FIELD(memory_layers)},
    {"memory_mode", FIELD(memory_mode)},
    {"key_kind", FIELD(memory.key_kind)},
    {"n_keys", FIELD(memory.n_keys)},
    {"memory_heads", FIELD(memory.heads)},
    {"topk", FIELD(memory.topk)},
    {"key_dim", FIELD(memory.key_dim)},
    {"value_dim", FIELD(memory.value_dim)},
    {"query_norm", FIELD(memory.query_norm)},
    {"gate", FIELD(memory.gate)},
    {"output_gate", FIELD(memory.output_gate)},
    {"shared_values", FIELD(shared_values)},
};

enum { N_SHAPING = sizeof shaping / sizeof shaping[0] };

/* Says what about the machine differs from what the checkpoint was written with. */
static pkm_status compare_machine(const pkm_trainer *trainer)
{
    const pkm_train_state *state = &trainer->state;
    char sentence[256];
    pkm_isa isa;

    PKM_TRY(pkm_isa_current(&isa));
    if (strcmp(state->isa, pkm_isa_name(isa)) == 0 &&
        strcmp(state->dense, pkm_dense_provider()) == 0)
        return PKM_OK;
    snprintf(sentence, sizeof sentence,
             "trained with %s and %s, going on with %s and %s: correct, but not the same bits",
             state->isa, state->dense, pkm_isa_name(isa), pkm_dense_provider());
    pkm_trainer_warn(trainer, sentence);
    return PKM_OK;
}

/* Is it the checkpoint that is not what it should be? Memory, permissions and a disk that cannot be
 * read say nothing about it. */
static bool is_damage(pkm_status status)
{
    int system = pkm_error_errno();

    return status != PKM_ERR_NOMEM && status != PKM_ERR_UNSUPPORTED &&
           (system == 0 || system == ENOENT || system == ENOTDIR || system == ELOOP);
}

/* Tries a checkpoint; *found tells whether it is whole. One that is not is told of and set aside.
 */
static pkm_status try_checkpoint(pkm_trainer *trainer, char **dir, int64_t step, bool *found)
{
    pkm_error_copy cause;
    char sentence[1280];
    pkm_status status;

    PKM_TRY(pkm_run_folder_step(&trainer->folder, dir, step));
    status = pkm_checkpoint_load_state(&trainer->state, *dir, trainer->verify);
    *found = status == PKM_OK;
    if (*found)
        return PKM_OK;
    pkm_free(*dir);
    *dir = NULL;
    if (!is_damage(status))
        return status;
    pkm_error_keep(&cause);
    PKM_TRY(pkm_run_folder_set_aside(&trainer->folder, step));
    snprintf(sentence, sizeof sentence,
             "%s: the checkpoint of step %" PRId64 " is damaged and set aside as damaged-%08" PRId64
             "; an older one is tried",
             cause.message, step, step);
    pkm_trainer_warn(trainer, sentence);
    return PKM_OK;
}

/* Makes `last` and `best` say what the state says: the run may have ended between writing a
 * checkpoint and pointing at it, and the best one may have gone. */
static pkm_status repair_pointers(pkm_trainer *trainer, int64_t step)
{
    pkm_train_state *state = &trainer->state;
    char *best;

    PKM_TRY(pkm_run_folder_step(&trainer->folder, &best, state->best_step));
    if (state->best_step > 0 && !pkm_directory_exists(best)) {
        state->best_step = 0;
        state->best_val_loss = INFINITY;
    }
    pkm_free(best);
    PKM_TRY(pkm_run_folder_publish(&trainer->folder, step));
    return pkm_run_folder_publish_best(&trainer->folder, state->best_step);
}

pkm_status pkm_resume_find(pkm_trainer *trainer, char **checkpoint)
{
    bool found = false;
    int64_t *steps;
    size_t count, next = 0;
    pkm_status status = PKM_OK;

    *checkpoint = NULL;
    trainer->saved_step = trainer->saved_best_step = trainer->published_best = 0;
    trainer->saved_best_loss = INFINITY;
    PKM_TRY(pkm_run_folder_steps(&trainer->folder, &steps, &count));
    while (status == PKM_OK && !found && next < count)
        status = try_checkpoint(trainer, checkpoint, steps[next++], &found);
    if (found)
        trainer->saved_step = steps[next - 1];
    pkm_free(steps);
    PKM_TRY(status);
    if (!found && count > 0)
        return pkm_fail(PKM_ERR_FORMAT, "%s: none of the checkpoints is whole",
                        trainer->folder.checkpoints);
    if (!found)
        return PKM_OK;
    status = repair_pointers(trainer, trainer->saved_step);
    trainer->saved_best_step = trainer->published_best = trainer->state.best_step;
    trainer->saved_best_loss = trainer->state.best_val_loss;
    if (status == PKM_OK)
        status = compare_machine(trainer);
    if (status != PKM_OK) {
        pkm_free(*checkpoint);
        *checkpoint = NULL;
    }
    return status;
}

/* Leaves in `given` (all options as an object) only those the caller set. */
static void keep_given(json_t *given, const pkm_option_set *set)
{
    const pkm_option_table *table = pkm_train_option_table();

    for (int i = 0; i < table->count; i++)
        if (pkm_options_origin(set, table->rows[i].name) == PKM_ORIGIN_DEFAULT)
            json_object_del(given, table->rows[i].name);
}

/* What shapes the model, and what its tables and their moments are stored as. */
static pkm_status check_kept(const json_t *saved, const json_t *given)
{
    const char *names[N_SHAPING + 2] = {"value_dtype", "value_optimizer"};

    for (int i = 0; i < N_SHAPING; i++)
        names[i + 2] = shaping[i].name;
    for (int i = 0; i < N_SHAPING + 2; i++) {
        const json_t *now = json_object_get(given, names[i]);

        if (now != NULL && !json_equal(now, json_object_get(saved, names[i])))
            return pkm_fail(PKM_ERR_ARG,
                            "%s differs from that of the run being resumed: it cannot change",
                            names[i]);
    }
    return PKM_OK;
}

static pkm_status set_from_json(pkm_option_set *set, const json_t *object, pkm_origin origin)
{
    pkm_strbuf text = {0};
    pkm_status status = pkm_json_append(&text, object, JSON_COMPACT);

    if (status == PKM_OK)
        status = pkm_options_set_json(set, text.data, text.length, "options of the run", origin);
    pkm_strbuf_release(&text);
    return status;
}

/* Tells of options that change what is computed and are others than the run's so far. */
static pkm_status warn_of_changes(const pkm_trainer *trainer, const json_t *saved,
                                  const json_t *given)
{
    static const char *const options[] = {
        "dropout",      "key_lr",       "value_lr", "value_schedule", "value_clip",
        "revive_every", "revive_below", "batch",    "grad_accum",     "lr",
        "min_lr",       "warmup",       "schedule", "weight_decay",   "clip",
        "seed",         "precision",
    };
    pkm_strbuf names = {0};
    pkm_status status = PKM_OK;

    for (size_t i = 0; i < sizeof options / sizeof options[0] && status == PKM_OK; i++) {
        const json_t *now = json_object_get(given, options[i]);

        if (now != NULL && !json_equal(now, json_object_get(saved, options[i])))
            status = pkm_strbuf_printf(&names, "%s%s", names.length > 0 ? ", " : "", options[i]);
    }
    if (status == PKM_OK && names.length > 0)
        status = pkm_strbuf_printf(
            &names, " changed: the run goes on, but not to the bits it would have had");
    if (status == PKM_OK && names.length > 0)
        pkm_trainer_warn(trainer, names.data);
    pkm_strbuf_release(&names);
    return status;
}

static int64_t sequences_per_step(const pkm_option_set *set)
{
    const pkm_train_options *values = pkm_options_values(set);

    return values->batch * values->grad_accum;
}

/* Defaults, over them the run's options, over them what the caller gives now. Steps are counted,
 * and learning rates follow from their number, so a step stays what it was. */
static pkm_status merge(pkm_trainer *trainer, json_t *saved, json_t *given)
{
    static const char *const lengths[] = {"steps", "tokens", "epochs"};
    bool new_length = false;
    int64_t before, now;

    PKM_TRY(check_kept(saved, given));
    PKM_TRY(warn_of_changes(trainer, saved, given));
    for (int i = 0; i < 3; i++)
        new_length |= json_object_get(given, lengths[i]) != NULL;
    for (int i = 0; i < 3 && new_length; i++)
        json_object_del(saved, lengths[i]);
    PKM_TRY(set_from_json(trainer->options, saved, PKM_ORIGIN_FILE));
    before = sequences_per_step(trainer->options);
    PKM_TRY(set_from_json(trainer->options, given, PKM_ORIGIN_ARGS));
    now = sequences_per_step(trainer->options);
    if (now != before)
        return pkm_fail(PKM_ERR_ARG,
                        "batch x grad_accum is %" PRId64 ", that of the run being resumed %" PRId64
                        ": a step may be split otherwise, but not be of another size",
                        now, before);
    return PKM_OK;
}

static pkm_status options_object(json_t **out, const pkm_option_set *set)
{
    char *text;
    pkm_status status;

    PKM_TRY(pkm_options_json(set, &text));
    status = pkm_json_parse(out, text, strlen(text), "options");
    pkm_text_free(text);
    return status;
}

/* The options in force, as checkpoints save them. */
static pkm_status note_options(pkm_trainer *trainer)
{
    pkm_free(trainer->state.options);
    trainer->state.options = NULL;
    return pkm_options_json(trainer->options, &trainer->state.options);
}

pkm_status pkm_resume_options(pkm_trainer *trainer, const pkm_option_set *given_set)
{
    json_t *given = NULL, *saved = NULL;
    pkm_status status;

    PKM_TRY(pkm_options_create(&trainer->options, pkm_train_option_table()));
    status = options_object(&given, given_set);
    if (status == PKM_OK)
        keep_given(given, given_set);
    if (status == PKM_OK && trainer->state.options == NULL)
        status = set_from_json(trainer->options, given, PKM_ORIGIN_ARGS);
    else if (status == PKM_OK)
        status = pkm_json_parse(&saved, trainer->state.options, strlen(trainer->state.options),
                                "state.json: options");
    if (saved != NULL)
        status = merge(trainer, saved, given);
    json_decref(given);
    json_decref(saved);
    PKM_TRY(status);
    trainer->values = pkm_options_values(trainer->options);
    return note_options(trainer);
}

pkm_status pkm_resume_data(pkm_trainer *trainer)
{
    const char *const parts[] = {pkm_data_tokenizer_hash(trainer->train_data),
                                 pkm_data_hash(trainer->train_data),
                                 pkm_data_hash(trainer->val_data)};
    char text[PKM_HASH_HEX];
    pkm_hash hash;

    pkm_hash_init(&hash);
    for (int i = 0; i < 3; i++)
        pkm_hash_update(&hash, parts[i], strlen(parts[i]));
    pkm_digest_hex(text, pkm_hash_digest(&hash));
    if (trainer->state.data_hash == NULL)
        return pkm_string_copy(&trainer->state.data_hash, text);
    if (strcmp(trainer->state.data_hash, text) == 0)
        return PKM_OK;
    return pkm_fail(PKM_ERR_ARG,
                    "%s: not the data set of this run: its text, its held-out side or its "
                    "tokenizer is another; give the run's, or begin a new run with --init-from",
                    trainer->data_dir);
}

/* What a caller gives beside init_from must be what that model is. */
static pkm_status check_agrees(const pkm_gpt_config *asked, const pkm_gpt_config *found,
                               const char *init_from)
{
    for (int i = 0; i < N_SHAPING; i++) {
        const char *a = (const char *)asked + shaping[i].offset;
        const char *b = (const char *)found + shaping[i].offset;

        if (memcmp(a, b, shaping[i].bytes) != 0)
            return pkm_fail(PKM_ERR_ARG, "%s differs from that of the model %s to start from",
                            shaping[i].name, init_from);
    }
    if (asked->vocab_size != found->vocab_size)
        return pkm_fail(PKM_ERR_ARG,
                        "the data set has a vocabulary of %" PRId64
                        ", the model %s one of %" PRId64,
                        asked->vocab_size, init_from, found->vocab_size);
    return PKM_OK;
}

/* Ids only mean to the model what they meant to the one it starts from under the same tokenizer. */
static pkm_status check_tokenizer(const pkm_trainer *trainer, const char *init_from)
{
    const char *of_data = pkm_data_tokenizer_hash(trainer->train_data);
    pkm_tokenizer *tokenizer = NULL;
    char *path;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_model_dir_path(&path, init_from, "tokenizer.json"));
    if (pkm_file_exists(path))
        status = pkm_tokenizer_load(&tokenizer, path);
    if (tokenizer != NULL && strcmp(pkm_tokenizer_hash(tokenizer), of_data) != 0)
        status = pkm_fail(PKM_ERR_ARG, "%s: the data set was made with another tokenizer", path);
    pkm_tokenizer_destroy(tokenizer);
    pkm_free(path);
    return status;
}

/* Options that shape the model and were not given become those of the model started from: they are
 * what the run is. */
static pkm_status adopt_shape(pkm_trainer *trainer, const pkm_gpt_config *found)
{
    json_t *root = pkm_model_dir_config_json(found, NULL), *shape = json_object_get(root, "pkm");
    int failed = json_object_del(shape, "format_version");
    pkm_status status;

    failed |= json_object_set_new(shape, "layers", json_integer(found->layers));
    failed |= json_object_set_new(shape, "dim", json_integer(found->dim));
    failed |= json_object_set_new(shape, "attn_heads", json_integer(found->attn_heads));
    failed |= json_object_set_new(shape, "seq_len", json_integer(found->seq_len));
    status = failed != 0 ? pkm_json_no_memory()
                         : set_from_json(trainer->options, shape, PKM_ORIGIN_FILE);
    json_decref(root);
    return status == PKM_OK ? note_options(trainer) : status;
}

pkm_status pkm_resume_config(pkm_trainer *trainer, pkm_gpt_config *out, const char *checkpoint,
                             const char *init_from)
{
    pkm_gpt_config asked, found;

    if (checkpoint != NULL) {
        PKM_TRY(pkm_model_dir_load_config(&found, checkpoint));
    } else if (init_from != NULL) {
        PKM_TRY(pkm_model_dir_verify(init_from, trainer->verify));
        PKM_TRY(pkm_model_dir_load_config(&found, init_from));
        PKM_TRY(pkm_gpt_check_trainable(&found, init_from));
        PKM_TRY(adopt_shape(trainer, &found));
    }
    PKM_TRY(pkm_gpt_config_from_options(&asked, trainer->values,
                                        pkm_data_vocab_size(trainer->train_data)));
    if (checkpoint == NULL && init_from == NULL) {
        *out = asked;
        return PKM_OK;
    }
    if (checkpoint == NULL) {
        PKM_TRY(check_agrees(&asked, &found, init_from));
        PKM_TRY(check_tokenizer(trainer, init_from));
    }
    found.dropout = asked.dropout;
    found.seed = asked.seed;
    found.compute = asked.compute;
    found.value_dtype = asked.value_dtype;
    found.value_optimizer = asked.value_optimizer;
    *out = found;
    return PKM_OK;
}

pkm_status pkm_resume_tensors(pkm_trainer *trainer, const char *checkpoint, const char *init_from)
{
    if (checkpoint != NULL)
        return pkm_checkpoint_load_tensors(trainer->gpt, checkpoint);
    if (init_from != NULL)
        return pkm_model_dir_load_weights(trainer->gpt, init_from, false);
    pkm_gpt_init(trainer->gpt, (uint64_t)trainer->values->seed);
    return PKM_OK;
}
