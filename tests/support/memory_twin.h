/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory layer in double precision, written from the equations and nothing else: brute force over
 * all slots, no packing, no grouping. Forward only; gradients are its central differences.
 */
#ifndef PKM_TESTS_MEMORY_TWIN_H
#define PKM_TESTS_MEMORY_TWIN_H

#include <stdbool.h>

#include "pkm/memory.h"

enum { TWIN_TENSORS = 12 };

typedef struct twin_tensor {
    const char *name; /* of pkm_memory_tensor */
    int64_t count;
    double *data;
} twin_tensor;

typedef struct memory_twin {
    pkm_memory_config config; /* value_dim filled in */
    int n_tensors;
    twin_tensor tensors[TWIN_TENSORS];
} memory_twin;

/* Copies a layer's tensors. */
void memory_twin_init(memory_twin *out, const pkm_memory *memory, const pkm_memory_config *config);
void memory_twin_release(memory_twin *twin);
twin_tensor *memory_twin_find(memory_twin *twin, const char *name); /* NULL if there is none */

/* y [n_tokens, D] from x; train: batch statistics. Nothing is updated. */
void memory_twin_forward(memory_twin *twin, double *y, const double *x, int64_t n_tokens,
                         const unsigned char *mask, bool train);

/* Central difference of L = sum dy * y with respect to *number, which x or a tensor holds. */
double memory_twin_slope(memory_twin *twin, double *number, const double *dy, const double *x,
                         int64_t n_tokens, const unsigned char *mask);

#endif
