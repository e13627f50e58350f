/* SPDX-License-Identifier: Apache-2.0 */
/* Training a model on a data set. May still change before 1.0. */
#ifndef PKM_TRAIN_H
#define PKM_TRAIN_H

#include "pkm/model.h"
#include "pkm/options.h"
#include "pkm/revive.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The options of design, one field each; filled through pkm_train_option_table. */
typedef struct pkm_train_options {
    /* model */
    int64_t layers, dim, attn_heads, seq_len;
    double dropout;
    /* memory */
    pkm_int_list memory_layers; /* 0-based */
    int memory_mode;            /* replace | add */
    int key_kind;               /* product | flat */
    int64_t n_keys, memory_heads, topk, key_dim, value_dim;
    int query_norm, gate, output_gate; /* batch|layer|none, softmax|relu|raw, none|swilu */
    bool shared_values;
    int value_dtype;     /* f32|bf16 */
    int value_optimizer; /* adam|adagrad|sgd|adam_row */
    double key_lr;       /* of keys and query networks; 0: lr / 10; it takes the course of lr */
    double value_lr;
    int value_schedule;   /* cosine|rsqrt|constant: of value_lr */
    double value_clip;    /* 0: off */
    bool map_values;      /* tables and moments in mapped scratch files of the run folder */
    int64_t revive_every; /* steps; 0: never (pkm_memory_revive) */
    double revive_below;
    /* optimisation */
    int64_t batch, grad_accum; /* sequences per micro-batch; micro-batches per step */
    int64_t steps, tokens;     /* one of the three says how long; 0: not given */
    double epochs;
    double lr, min_lr; /* lr 0: by width and depth; min_lr -1: lr / 10 */
    int64_t warmup;    /* steps; -1: 10 % of them, at most 2000 */
    int schedule;      /* cosine|rsqrt|constant */
    double weight_decay, clip;
    int64_t seed;
    int precision;       /* f32|bf16 */
    int on_nan;          /* stop|skip|rewind */
    double spike_factor; /* 0: off */
    int on_spike;        /* stop|skip|rewind|warn */
    /* running */
    bool tensorboard; /* event files in the run folder, too */
    int64_t threads;
    int64_t eval_every, eval_tokens, checkpoint_every, keep_checkpoints, keep_every, log_every;
} pkm_train_options;

/**
 * Describes the options of training: the table behind command line, JSON and pkm_train_options.
 *
 * Memory:  static
 * Threads: any thread
 * Since:   0.1
 */
PKM_API const pkm_option_table *pkm_train_option_table(void);

/* What a running training tells; a line of metrics.jsonl and more. */
typedef struct pkm_train_event {
    enum {
        PKM_EVENT_PLAN,       /* before the start: sizes and how long it will run */
        PKM_EVENT_STEP,       /* after every step */
        PKM_EVENT_EVAL,       /* after an evaluation */
        PKM_EVENT_CHECKPOINT, /* path: what was written */
        PKM_EVENT_WARNING,    /* path: the sentence */
        PKM_EVENT_SPIKE,      /* loss or gradient leapt; the step is taken. path: the sentence */
        PKM_EVENT_SKIP,       /* step was passed over. path: why */
        PKM_EVENT_REWIND,     /* from_step could not be taken, back at step. path: why */
        PKM_EVENT_REVIVED     /* sub-keys and slots were revived after this step */
    } kind;
    int64_t step, steps; /* done; in all */
    int64_t tokens;      /* seen, in all */
    int64_t from_step;   /* REWIND, SKIP */
    double loss, smoothed_loss, lr, grad_norm, tok_per_s;
    double wall; /* seconds of training, resumed parts included */
    double seconds_left;
    double rss_mb;
    double val_loss;                   /* EVAL */
    int64_t parameters;                /* PLAN */
    uint64_t memory_bytes, disk_bytes; /* PLAN: to be taken; disk by checkpoints, mapped values */
    int threads;                       /* PLAN: in use */
    const char *runtime;               /* PLAN: what runs them, such as "libgomp.so.1" */
    int n_usage;                       /* EVAL */
    const pkm_usage *usage;
    int n_revived; /* REVIVED: memories, in order; slots of a shared table under the first */
    const pkm_revived *revived;
    const char *path;
} pkm_train_event;

/* Returning non-zero stops after this step: a checkpoint is saved and PKM_ERR_CANCELLED returned.
 */
typedef int (*pkm_train_callback)(const pkm_train_event *event, void *user);

typedef struct pkm_train_paths {
    const char *data;      /* data set folder */
    const char *tokenizer; /* folder or file whose tokenizer.json is copied into the run */
    const char *out;       /* run folder */
    const char *init_from; /* model whose weights to start from, or NULL */
    bool resume;
    pkm_verify_level verify; /* of the checkpoint to resume, or of init_from if it has a manifest */
} pkm_train_paths;

typedef struct pkm_train_result {
    int64_t step, tokens;
    double loss, val_loss, best_val_loss, tok_per_s;
} pkm_train_result;

/**
 * Trains a model on a data set, or with paths->resume goes on where a run stopped, to the same
 * bits as if it had not.
 *
 * options is a set of pkm_train_option_table; callback may be NULL. The run folder holds the
 * model, its checkpoints and metrics.jsonl (docs/formats.md).
 *
 * A run is resumed with its own options where none are given. The data set, the tokenizer, what
 * shapes the model and how many sequences a step takes have to be the same; batch and grad_accum
 * may split a step otherwise, and other options that change what is computed may be given: a
 * warning then says that the bits will not be those the run would have had. A run that is finished
 * is left as it is, with a warning, unless it is made longer.
 *
 * on_nan, on_spike: what cannot be learnt from changes nothing. skip passes over the step's data,
 * at most 10 times in a row, and ends the run if the model itself is not finite; rewind goes back
 * to the newest checkpoint (or the start) and on with the data in another order, at most 3 times
 * from one checkpoint. A run that went back gives the same bits each time, resumed or not; a
 * checkpoint saved because a callback asked to stop is one to go back to.
 *
 * Memory:  paths, options borrowed during the call; result written on success and when cancelled
 * Errors:  PKM_ERR_ARG names the option; PKM_ERR_NOMEM with what is needed and what there is, of
 *          memory or disk, before the start; PKM_ERR_NUMERIC names the step and the tensor that
 *          first held a NaN or an infinity, or says which loss or gradient leapt, where on_nan or
 *          on_spike end the run; no checkpoint is written of such a step; PKM_ERR_STATE if the run
 *          exists or is in use; PKM_ERR_IO, PKM_ERR_FORMAT name the file; PKM_ERR_CANCELLED after
 *          saving, if the callback asked to stop
 * Threads: any thread, not two on one run folder; the callback comes from the calling thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_train(pkm_train_result *out, const pkm_train_paths *paths,
                             const pkm_option_set *options, pkm_train_callback callback,
                             void *user);

#ifdef __cplusplus
}
#endif

#endif
