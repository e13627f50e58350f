/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of training a model. Presets are the recommended settings; where the best value
 * follows from others (0 or -1 below) src/models and src/train settle it, and the help says how.
 *
 * A new option is its field in include/pkm/train.h and its row here: command line, JSON,
 * environment, help and completion follow.
 */
#include "pkm/train.h"

enum { MAX_LAYERS = 1024, MAX_TOPK = 1 << 24 };

#define MAX_COUNT 9007199254740992.0 /* 2^53: exact as a double and in JSON */
#define MAX_STEPS 4294967295.0       /* pkm_rng.step has 32 bits */

static const char model[] = "Model";
static const char memory[] = "Memory";
static const char training[] = "Training";
static const char running[] = "Running";

/* name, type, place; min, max, preset, choices, unit; group, help */
static const pkm_option rows[] = {
    {"layers", PKM_OPTION_INT, offsetof(pkm_train_options, layers), 1, MAX_LAYERS, "4", NULL, NULL,
     model, "transformer blocks"},
    {"dim", PKM_OPTION_INT, offsetof(pkm_train_options, dim), 1, 65536, "256", NULL, NULL, model,
     "width of the model"},
    {"attn_heads", PKM_OPTION_INT, offsetof(pkm_train_options, attn_heads), 0, 1024, "0", NULL,
     NULL, model, "attention heads; 0: dim / 64, at least 1"},
    {"seq_len", PKM_OPTION_INT, offsetof(pkm_train_options, seq_len), 1, 1048576, "128", NULL,
     "tokens", model, "length of a training window and of what the model sees at once"},
    {"dropout", PKM_OPTION_REAL, offsetof(pkm_train_options, dropout), 0, 0.95, "0", NULL, NULL,
     model, "share of activations dropped in training"},
    {"memory_layers", PKM_OPTION_LIST, offsetof(pkm_train_options, memory_layers), 0,
     MAX_LAYERS - 1, NULL, NULL, NULL, memory,
     "blocks with a memory, counted from 0; none: a plain transformer"},
    {"memory_mode", PKM_OPTION_CHOICE, offsetof(pkm_train_options, memory_mode), 0, 0, "replace",
     "replace|add", NULL, memory, "memory in place of a block's feed-forward part, or added to it"},
    {"key_kind", PKM_OPTION_CHOICE, offsetof(pkm_train_options, key_kind), 0, 0, "product",
     "product|flat", NULL, memory,
     "a slot for each pair of sub-keys of a query's halves, or a key of the whole query for each "
     "slot, all of which are scored"},
    {"n_keys", PKM_OPTION_INT, offsetof(pkm_train_options, n_keys), 1, 46340, "256", NULL, NULL,
     memory, "sub-keys per half of a query; a memory has n_keys^2 slots"},
    {"memory_heads", PKM_OPTION_INT, offsetof(pkm_train_options, memory_heads), 1, 1024, "4", NULL,
     NULL, memory, "heads that search the memory"},
    {"topk", PKM_OPTION_INT, offsetof(pkm_train_options, topk), 1, MAX_TOPK, "32", NULL, NULL,
     memory, "slots a head reads, at most n_keys; with flat keys at most n_keys^2"},
    {"key_dim", PKM_OPTION_INT, offsetof(pkm_train_options, key_dim), 0, 65536, "0", NULL, NULL,
     memory, "width of a query, even; 0: dim / 2, at least 32, at most 512"},
    {"value_dim", PKM_OPTION_INT, offsetof(pkm_train_options, value_dim), 0, 65536, "0", NULL, NULL,
     memory, "width of a value row; 0: dim"},
    {"query_norm", PKM_OPTION_CHOICE, offsetof(pkm_train_options, query_norm), 0, 0, "batch",
     "batch|layer|none", NULL, memory, "normalisation of queries"},
    {"gate", PKM_OPTION_CHOICE, offsetof(pkm_train_options, gate), 0, 0, "softmax",
     "softmax|relu|raw", NULL, memory, "from scores to weights"},
    {"output_gate", PKM_OPTION_CHOICE, offsetof(pkm_train_options, output_gate), 0, 0, "none",
     "none|swilu", NULL, memory, "gate on the memory's output, with a value projection"},
    {"shared_values", PKM_OPTION_BOOL, offsetof(pkm_train_options, shared_values), 0, 0, NULL, NULL,
     NULL, memory, "one table of values for all memories"},
    {"value_dtype", PKM_OPTION_CHOICE, offsetof(pkm_train_options, value_dtype), 0, 0, "f32",
     "f32|bf16", NULL, memory, "type of the value table; bf16 rounds stochastically"},
    {"value_optimizer", PKM_OPTION_CHOICE, offsetof(pkm_train_options, value_optimizer), 0, 0,
     "adam", "adam|adagrad|sgd|adam_row", NULL, memory,
     "optimiser of the rows that were read; adam_row: Adam with a quarter of its state"},
    {"key_lr", PKM_OPTION_REAL, offsetof(pkm_train_options, key_lr), 0, 10, "0", NULL, NULL, memory,
     "learning rate of keys and query networks, on the course of lr; 0: lr / 10"},
    {"value_lr", PKM_OPTION_REAL, offsetof(pkm_train_options, value_lr), 0, 1000, "0.2", NULL, NULL,
     memory, "learning rate of the values"},
    {"value_schedule", PKM_OPTION_CHOICE, offsetof(pkm_train_options, value_schedule), 0, 0,
     "cosine", "cosine|rsqrt|constant", NULL, memory, "course of value_lr"},
    {"value_clip", PKM_OPTION_REAL, offsetof(pkm_train_options, value_clip), 0, 1e9, "0", NULL,
     NULL, memory, "largest norm of the values' gradient; 0: no clipping"},
    {"map_values", PKM_OPTION_BOOL, offsetof(pkm_train_options, map_values), 0, 0, NULL, NULL, NULL,
     memory,
     "values and their moments in a scratch file of the run folder, mapped: for tables larger than "
     "memory"},
    {"revive_every", PKM_OPTION_INT, offsetof(pkm_train_options, revive_every), 0, MAX_STEPS, "0",
     NULL, "steps", memory,
     "after every so many steps, sub-keys that these hardly read become copies of well-used ones, "
     "and so do their slots; best some hundred that read each slot 20 times on average; 0: never"},
    {"revive_below", PKM_OPTION_REAL, offsetof(pkm_train_options, revive_below), 0, 1, "0.1", NULL,
     NULL, memory,
     "sub-keys that got less than this part of an even share of the weight count as not read"},
    {"batch", PKM_OPTION_INT, offsetof(pkm_train_options, batch), 1, 65536, "32", NULL, "windows",
     training, "sequences in a micro-batch"},
    {"grad_accum", PKM_OPTION_INT, offsetof(pkm_train_options, grad_accum), 1, 65536, "1", NULL,
     NULL, training, "micro-batches per step"},
    {"steps", PKM_OPTION_INT, offsetof(pkm_train_options, steps), 0, MAX_STEPS, "0", NULL, "steps",
     training, "length of the run; one of steps, tokens, epochs at most"},
    {"tokens", PKM_OPTION_INT, offsetof(pkm_train_options, tokens), 0, MAX_COUNT, "0", NULL,
     "tokens", training, "length of the run in tokens"},
    {"epochs", PKM_OPTION_REAL, offsetof(pkm_train_options, epochs), 0, 1e6, "0", NULL, "passes",
     training, "length of the run in passes over the data; 1 if none of the three is given"},
    {"lr", PKM_OPTION_REAL, offsetof(pkm_train_options, lr), 0, 10, "0", NULL, NULL, training,
     "learning rate; 0: by width and depth"},
    {"min_lr", PKM_OPTION_REAL, offsetof(pkm_train_options, min_lr), -1, 10, "-1", NULL, NULL,
     training, "learning rate at the end of the schedule; -1: lr / 10"},
    {"warmup", PKM_OPTION_INT, offsetof(pkm_train_options, warmup), -1, MAX_STEPS, "-1", NULL,
     "steps", training, "linear warm-up; -1: 10 % of the run, at most 2000"},
    {"schedule", PKM_OPTION_CHOICE, offsetof(pkm_train_options, schedule), 0, 0, "cosine",
     "cosine|rsqrt|constant", NULL, training, "course of lr after warm-up"},
    {"weight_decay", PKM_OPTION_REAL, offsetof(pkm_train_options, weight_decay), 0, 10, "0.1", NULL,
     NULL, training, "decay of matrices; never of keys, norms, biases, values"},
    {"clip", PKM_OPTION_REAL, offsetof(pkm_train_options, clip), 0, 1e9, "1", NULL, NULL, training,
     "largest norm of the gradient without the values'; 0: no clipping"},
    {"seed", PKM_OPTION_INT, offsetof(pkm_train_options, seed), 0, MAX_COUNT, "1", NULL, NULL,
     training, "seed of weights, data order and dropout"},
    {"precision", PKM_OPTION_CHOICE, offsetof(pkm_train_options, precision), 0, 0, "bf16",
     "f32|bf16", NULL, training, "of products and activations; weights and sums stay f32"},
    {"on_nan", PKM_OPTION_CHOICE, offsetof(pkm_train_options, on_nan), 0, 0, "stop",
     "stop|skip|rewind", NULL, training,
     "at a NaN or an infinity, or damaged data: end; pass over the step's data, at most 10 times "
     "in a row; or go back to the last checkpoint and on with the data in another order, at most 3 "
     "times from one"},
    {"spike_factor", PKM_OPTION_REAL, offsetof(pkm_train_options, spike_factor), 0, 1e6, "50", NULL,
     NULL, training,
     "a loss so many mean deviations above its mean, or a gradient norm so many times its mean, is "
     "a spike; 0: never"},
    {"on_spike", PKM_OPTION_CHOICE, offsetof(pkm_train_options, on_spike), 0, 0, "warn",
     "stop|skip|rewind|warn", NULL, training, "at a spike: as on_nan, or say so and take the step"},
    {"threads", PKM_OPTION_INT, offsetof(pkm_train_options, threads), 0, 1024, "0", NULL, NULL,
     running, "threads; 0: as many as this process may use"},
    {"eval_every", PKM_OPTION_INT, offsetof(pkm_train_options, eval_every), 0, MAX_STEPS, "500",
     NULL, "steps", running, "between evaluations; 0: never"},
    {"eval_tokens", PKM_OPTION_INT, offsetof(pkm_train_options, eval_tokens), 0, MAX_COUNT,
     "131072", NULL, "tokens", running,
     "read by an evaluation while training; 0: all held-out ones"},
    {"checkpoint_every", PKM_OPTION_INT, offsetof(pkm_train_options, checkpoint_every), 0,
     MAX_STEPS, "1000", NULL, "steps", running,
     "between checkpoints, beside those at the end and at the best evaluation; 0: only those"},
    {"keep_checkpoints", PKM_OPTION_INT, offsetof(pkm_train_options, keep_checkpoints), 1, 1000000,
     "2", NULL, NULL, running, "newest checkpoints kept beside the best"},
    {"keep_every", PKM_OPTION_INT, offsetof(pkm_train_options, keep_every), 0, MAX_STEPS, "0", NULL,
     "steps", running, "checkpoints at multiples of this are kept too; 0: none"},
    {"log_every", PKM_OPTION_INT, offsetof(pkm_train_options, log_every), 0, MAX_STEPS, "10", NULL,
     "steps", running, "between lines of metrics.jsonl; 0: never"},
    {"tensorboard", PKM_OPTION_BOOL, offsetof(pkm_train_options, tensorboard), 0, 0, NULL, NULL,
     NULL, running, "write what metrics.jsonl tells to RUN/tensorboard as well, as event files"},
};

const pkm_option_table *pkm_train_option_table(void)
{
    static const pkm_option_table table = {
        .rows = rows,
        .count = (int)(sizeof rows / sizeof rows[0]),
        .struct_bytes = sizeof(pkm_train_options),
    };

    return &table;
}
