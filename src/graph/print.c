/* SPDX-License-Identifier: Apache-2.0 */
/* A tape as text: one line per node with its shape, memory and, once it has run, its times. */
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "graph/tape_private.h"

enum { LINE_BYTES = 256, SHAPE_BYTES = 64 };

/* "[4096, 256] bf16" */
static void print_shape(char out[SHAPE_BYTES], const pkm_tensor *tensor, int64_t n_rows)
{
    int used = snprintf(out, SHAPE_BYTES, "[%lld", (long long)n_rows);

    for (int i = 0; i < tensor->n_dims && used < SHAPE_BYTES; i++)
        used += snprintf(out + used, (size_t)(SHAPE_BYTES - used), ", %lld",
                         (long long)tensor->dims[i]);
    if (used < SHAPE_BYTES)
        snprintf(out + used, (size_t)(SHAPE_BYTES - used), "] %s", pkm_dtype_name(tensor->dtype));
}

/* Bytes of the node's output and saved tensors, gradients not counted. */
static double node_bytes(const pkm_node *node, int64_t n_rows)
{
    double bytes = (double)pkm_tensor_width(node->out) * (double)pkm_dtype_bytes(node->out->dtype);

    for (int i = 0; i < node->n_saved; i++)
        bytes += (double)pkm_tensor_width(node->saved[i]) *
                 (double)pkm_dtype_bytes(node->saved[i]->dtype);
    return bytes * (double)n_rows;
}

/* Mean milliseconds of a run, and the rates they mean for the operation's own cost. */
static void print_pass(char *out, size_t bytes, const pkm_node *node, int64_t n_rows, bool backward)
{
    double total_ns = (double)(backward ? node->backward_ns : node->forward_ns);
    double ns = node->runs > 0 ? total_ns / (double)node->runs : 0;
    pkm_cost cost = {0};

    if (node->op->cost != NULL)
        cost = node->op->cost(node, n_rows, backward);
    if (ns > 0)
        snprintf(out, bytes, "%9.3f ms %8.1f GFLOP/s %7.1f GB/s", ns * 1e-6, cost.flops / ns,
                 cost.bytes / ns);
    else
        snprintf(out, bytes, "%9s", "-");
}

void pkm_tape_print(const pkm_tape *tape, int64_t n_rows, pkm_tape_line line, void *user)
{
    char text[LINE_BYTES];

    for (int i = 0; i < tape->n_nodes; i++) {
        const pkm_node *node = tape->nodes[i];
        char shape[SHAPE_BYTES], forward[SHAPE_BYTES], backward[SHAPE_BYTES];

        print_shape(shape, node->out, n_rows);
        print_pass(forward, sizeof forward, node, n_rows, false);
        print_pass(backward, sizeof backward, node, n_rows, true);
        snprintf(text, sizeof text, "%-24s %-14s %-22s %8.1f MiB  forward %s  backward %s",
                 node->name, node->op->name, shape, node_bytes(node, n_rows) / 1048576, forward,
                 node->runs_backward ? backward : "none");
        line(text, user);
    }
    snprintf(text, sizeof text, "%d nodes, %.1f MiB for up to %lld rows", tape->n_nodes,
             (double)tape->arena_bytes / 1048576, (long long)tape->max_rows);
    line(text, user);
}
