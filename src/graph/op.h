/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of an operation. An operation is one file in src/ops/ and one row of the table in
 * src/ops/ops.c; nothing else knows it. Shapes, lifetimes and memory are settled when the tape is
 * planned; forward and backward only compute, and allocate nothing.
 *
 * A gradient is written or added to, as the plan says: pkm_node_adds_input / _adds_param. Nothing
 * is zero-filled beforehand.
 */
#ifndef PKM_GRAPH_OP_H
#define PKM_GRAPH_OP_H

#include "base/error.h"
#include "graph/tensor.h"
#include "params/params.h"

enum { PKM_NODE_INPUTS = 4, PKM_NODE_PARAMS = 12, PKM_NODE_SAVED = 8 };

typedef struct pkm_node pkm_node;
typedef struct pkm_tape pkm_tape;

typedef enum pkm_mode {
    PKM_MODE_TRAIN, /* backward follows: dropout on, batch statistics, activations kept */
    PKM_MODE_SCORE, /* forward only */
    PKM_MODE_DECODE /* forward only, attention reads and extends a KV cache */
} pkm_mode;

/* What one run knows; the same for all its nodes. */
typedef struct pkm_run {
    int64_t n_rows;         /* rows in use, at most the planned number */
    int64_t first_row;      /* global index of row 0 in its step: keys random numbers */
    uint64_t seed;          /* of the training run */
    int64_t step;           /* training step, from 1 */
    bool accumulate;        /* parameter gradients of this step have been written already */
    const float *loss_grad; /* d total / d loss of each row (f32, [n_rows]): backward needs it, and
                               forward saves work where it knows it already; else NULL */
    bool watch;      /* look at every tensor as soon as it is written: slow, to find a culprit */
    void *workspace; /* scratch of the largest size any node asked for */
} pkm_run;

typedef struct pkm_cost {
    double flops; /* multiply and add counted apart */
    double bytes; /* read and written from and to memory, cold */
} pkm_cost;

/* Which tensors of a node its backward reads: they live until then. */
enum {
    PKM_READS_IN0 = 1 << 0,
    PKM_READS_IN1 = 1 << 1,
    PKM_READS_IN2 = 1 << 2,
    PKM_READS_IN3 = 1 << 3,
    PKM_READS_OUT = 1 << 4
};

/* A shape that the gradient test builds this operation with; meaning of `size` is the operation's.
 */
typedef struct pkm_op_case {
    int64_t n_rows;
    int64_t size[6];
} pkm_op_case;

typedef struct pkm_op {
    const char *name; /* "layer_norm" */
    /* When the node is added: checks inputs, parameters and attr, sets out's dtype and dims, adds
     * saved tensors (pkm_node_save). */
    pkm_status (*shape)(pkm_node *node);
    /* When the tape is planned, for at most max_rows rows: asks for packed weights
     * (pkm_param_use_dense), makes node->state. NULL: nothing to do. */
    pkm_status (*prepare)(pkm_node *node, int64_t max_rows);
    /* Bytes that stay from run to run (node->held), all zero at first; NULL: none. */
    size_t (*held)(const pkm_node *node);
    /* Bytes of scratch forward and backward need; NULL: none. */
    size_t (*workspace)(const pkm_node *node, int64_t max_rows);
    pkm_status (*forward)(pkm_node *node, const pkm_run *run);
    /* Reads out->grad; writes or adds to in[i]->grad and param[i]->grad. NULL: not differentiable.
     */
    pkm_status (*backward)(pkm_node *node, const pkm_run *run);
    pkm_cost (*cost)(const pkm_node *node, int64_t n_rows, bool backward);
    /* Frees what prepare() hung on node->state; NULL: nothing. */
    void (*release)(pkm_node *node);
    unsigned backward_reads;
    /* 1 + the input whose gradient is that of out exactly, so that the plan lets them share a place
     * (residual add); 0: none. */
    int passes_grad;
    bool early_grad; /* its forward can write all gradients where the node ends the tape and
                        run->loss_grad is known */
    const pkm_op_case *cases; /* of the gradient test */
    int n_cases;
} pkm_op;

struct pkm_node {
    const pkm_op *op;
    const char *name; /* "h.0.ln_1"; owned by the tape */
    pkm_tape *tape;   /* it belongs to */
    pkm_mode mode;    /* of the tape */
    pkm_tensor *in[PKM_NODE_INPUTS];
    int n_in;
    pkm_tensor *out;
    pkm_tensor *saved[PKM_NODE_SAVED]; /* row tensors that forward leaves for backward */
    int n_saved;
    pkm_param *param[PKM_NODE_PARAMS];
    int n_param;
    const void *attr;                 /* the operation's constants, copied into the tape */
    void *state;                      /* what the operation made in prepare(), freed by release */
    bool in_adds[PKM_NODE_INPUTS];    /* planned: this node adds to a gradient already written */
    bool in_wanted[PKM_NODE_INPUTS];  /* planned: somebody reads that gradient */
    bool param_adds[PKM_NODE_PARAMS]; /* planned, within one backward */
    bool runs_backward;               /* planned */
    bool ends_tape;                   /* planned: its output is the loss, and it has early_grad */
    bool made_grads;                  /* the last forward of an operation with early_grad did */
    void *held;                       /* planned: op->held() bytes */
    uint64_t forward_ns, backward_ns, runs; /* the profile */
};

/* Adds a saved tensor [rows, width] to the node (node->saved[n_saved++]), alive from its forward to
 * its backward; in modes without backward, during forward only. */
pkm_status pkm_node_save(pkm_node *node, const char *suffix, pkm_dtype dtype, int64_t width);

static inline bool pkm_node_adds_param(const pkm_node *node, int i, const pkm_run *run)
{
    return node->param_adds[i] || run->accumulate;
}

#endif
