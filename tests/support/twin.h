/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Double-precision twins of operations. A row of twin_rows declares the inputs, parameters and
 * attributes of an operation's case and computes its output naively in double; the rest is here:
 * the tape with that one node, random values, and
 *
 *   loss[row] = sum_c weight[row, c] out[row, c]  (+ the same for one input, where told)
 *
 * whose gradient the tests compare with central differences of the twin.
 */
#ifndef PKM_TESTS_TWIN_H
#define PKM_TESTS_TWIN_H

#include "graph/tape.h"

enum { TWIN_ATTR_BYTES = 128 };

typedef struct twin twin;

typedef struct twin_row {
    const char *op;
    void (*declare)(twin *t);
    void (*forward)(const twin *t, double *out); /* out [n_rows, out_width] */
    void (*release)(twin *t);                    /* of t->extra; NULL: nothing */
} twin_row;

extern const twin_row twin_rows[];
extern const int n_twin_rows;

struct twin {
    const twin_row *row;
    const pkm_op *op;
    const pkm_op_case *shape;
    pkm_dtype compute;
    int64_t n_rows; /* of the run, at most shape->n_rows */
    pkm_run run;

    pkm_params *params;
    pkm_tape *tape;
    pkm_tensor *in[PKM_NODE_INPUTS], *out, *loss;
    double *in_value[PKM_NODE_INPUTS]; /* [shape->n_rows, width] of float inputs; NULL: integers,
                                          or a tensor that stands before */
    int32_t *index[PKM_NODE_INPUTS];   /* [shape->n_rows] of integer inputs, else NULL */
    int n_in;
    pkm_param *param[PKM_NODE_PARAMS];
    double *param_value[PKM_NODE_PARAMS]; /* [count] */
    int n_param;
    unsigned char attr[TWIN_ATTR_BYTES];
    size_t attr_bytes;
    void *extra; /* what declare() made */
    double *out_weight, *in_weight;
    int loss_reads; /* input that the loss reads too: the node adds to its gradient; -1: none */
};

/* Builds and plans the tape of a case; all values are drawn anew from `seed`. */
void twin_create(twin *t, const twin_row *row, const pkm_op *op, const pkm_op_case *shape,
                 pkm_dtype compute, int loss_reads);
void twin_destroy(twin *t);

/* For declare(). Values are exact in bf16; `scale` is about their size. */
void twin_input(twin *t, const char *name, pkm_dtype dtype, int64_t width, double scale);
void twin_index(twin *t, const char *name, int32_t low, int32_t high); /* random in [low, high) */
void twin_param(twin *t, const char *name, int64_t dim0, int64_t dim1, double scale);
double *twin_draw(int64_t count, double scale, const char *name); /* to be freed */
void twin_attr(twin *t, const void *attr, size_t bytes);

/* For forward(): 0 or 1 / (1 - p), the factor of draw `index` of the node's dropout. */
double twin_dropout(const twin *t, double p, uint64_t index);

/* Runs. Parameter gradients are NaN before a backward that writes. */
void twin_run_forward(twin *t, int64_t n_rows);
void twin_run_backward(twin *t, bool accumulate);

/* sum over rows of loss, by the twin in double. */
double twin_loss(twin *t);
int64_t twin_out_width(const twin *t);

#endif
