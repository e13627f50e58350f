/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the layer that stands alone, for memory.c and memory_file.c. */
#ifndef PKM_MEMORY_MEMORY_PARTS_H
#define PKM_MEMORY_MEMORY_PARTS_H

#include "memory/layer.h"

struct pkm_memory {
    pkm_memory_options options; /* map_path is NULL */
    pkm_params *params;
    pkm_store *store;
    bool owns_store;
    pkm_memory_layer *layer;
    int64_t step; /* optimiser steps done */

    /* The last forward and what came after it. */
    int64_t n_tokens;
    bool trained, masked; /* it was a training forward; it had a mask */
    int64_t n_backward;   /* backward calls since the last step */

    /* Memory of a call: all in `pages` but the workspace, which grows with the threads. */
    void *saved[PKM_MEMORY_SAVED];
    void *x, *y;         /* [max_tokens, D] in the compute dtype */
    unsigned char *mask; /* [max_tokens] */
    void *pages;
    size_t pages_bytes;
    void *workspace;
    size_t workspace_bytes;
};

#endif
