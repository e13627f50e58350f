/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tape: a static list of nodes, built once, planned once, then only run.
 *
 *   build    inputs, then nodes in the order of computation
 *   plan     shapes for up to max_rows rows; lifetimes; one arena (a tensor whose last reader has
 *            run gives its place to a later one); which gradients are written and which added to
 *   forward  the list in order;   backward  the list in reverse
 *
 * One thread at a time per tape; operations use threads inside.
 */
#ifndef PKM_GRAPH_TAPE_H
#define PKM_GRAPH_TAPE_H

#include "graph/op.h"

pkm_status pkm_tape_create(pkm_tape **out, pkm_mode mode);
void pkm_tape_destroy(pkm_tape *tape);

/* An input [rows, dims...] the caller fills (tensor->data) before forward. has_grad false, but
 * pkm_tape_want_input_grad gives it a gradient. */
pkm_status pkm_tape_input(pkm_tape *tape, pkm_tensor **out, const char *name, pkm_dtype dtype,
                          int n_dims, const int64_t *dims);
void pkm_tape_want_input_grad(pkm_tape *tape, pkm_tensor *input);

typedef struct pkm_node_spec {
    const pkm_op *op;
    const char *name;
    pkm_tensor *in[PKM_NODE_INPUTS];   /* up to the first NULL */
    pkm_param *param[PKM_NODE_PARAMS]; /* up to the first NULL */
    const void *attr;
    size_t attr_bytes; /* attr is copied */
} pkm_node_spec;

/* Appends a node; *out is its output tensor, named like the node. */
pkm_status pkm_tape_add(pkm_tape *tape, pkm_tensor **out, const pkm_node_spec *spec);

/* Marks an output: it keeps its place to the end of the run and can be found by name. */
void pkm_tape_keep(pkm_tape *tape, pkm_tensor *tensor);
pkm_tensor *pkm_tape_find(const pkm_tape *tape, const char *name); /* NULL if there is none */

/* Gradients stop here: nothing before `tensor` gets a gradient through it. */
void pkm_tape_stop_grad(pkm_tape *tape, pkm_tensor *tensor);

/* Settles everything for up to max_rows rows; `loss` (may be NULL: forward only) is where backward
 * starts. Allocates the arena and the workspace. */
pkm_status pkm_tape_plan(pkm_tape *tape, int64_t max_rows, pkm_tensor *loss);

/* Bytes the plan takes; valid after pkm_tape_plan, or from pkm_tape_measure without allocating. */
pkm_status pkm_tape_measure(pkm_tape *tape, int64_t max_rows, pkm_tensor *loss, size_t *bytes);
size_t pkm_tape_bytes(const pkm_tape *tape);

/* Runs the list for run->n_rows rows (run->workspace is set by the tape). A failing operation's
 * message is prefixed with the node's name. With run->watch forward and backward stop with
 * PKM_ERR_NUMERIC at the first tensor or gradient they write that holds a NaN or an infinity, and
 * name it. */
pkm_status pkm_tape_forward(pkm_tape *tape, const pkm_run *run);

/* The list in reverse, with d loss[row] = run->loss_grad[row]. The gradients of a node that ends
 * the tape may have been written by forward, if it was given the same. */
pkm_status pkm_tape_backward(pkm_tape *tape, const pkm_run *run);

int pkm_tape_n_nodes(const pkm_tape *tape);
const pkm_node *pkm_tape_node(const pkm_tape *tape, int index);

/* The list with shapes, bytes and times, one line per node, through a callback. */
typedef void (*pkm_tape_line)(const char *line, void *user);
void pkm_tape_print(const pkm_tape *tape, int64_t n_rows, pkm_tape_line line, void *user);

#endif
