/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/graph share: the tape and its tensors with what planning knows of them. */
#ifndef PKM_GRAPH_TAPE_PRIVATE_H
#define PKM_GRAPH_TAPE_PRIVATE_H

#include "graph/tape.h"

/* A tensor of a tape. The tensor comes first: tensor->index leads back to its entry. */
typedef struct pkm_tape_entry {
    pkm_tensor tensor;
    char *name;
    int producer;   /* index of the node that writes it; -1: an input */
    bool is_saved;  /* in some node's saved[], not an output */
    bool stops;     /* no gradient passes */
    bool want_grad; /* an input whose gradient the caller reads */
    bool behind;    /* planned: trained parameters or wanted inputs are behind it */
    int data_place; /* planned: numbers of its places, -1 for none */
    int grad_place;
} pkm_tape_entry;

struct pkm_tape {
    pkm_mode mode;
    pkm_tape_entry **entries;
    int n_entries, entries_capacity;
    pkm_node **nodes;
    int n_nodes, nodes_capacity;

    bool planned;
    int64_t max_rows;
    int threads;      /* planned for: operations lay out scratch per thread */
    pkm_tensor *loss; /* NULL: forward only */
    char *arena;      /* tensors, then the workspace */
    size_t arena_bytes, workspace_offset;
};

static inline pkm_tape_entry *pkm_tape_entry_of(const pkm_tape *tape, const pkm_tensor *tensor)
{
    return tape->entries[tensor->index];
}

#endif
