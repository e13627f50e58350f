/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The weight of the head, W [V, D], as the fused loss multiplies by it (ops/head_loss.h): cut into
 * strips of PKM_HEAD_STRIP rows, made anew when W has changed.
 */
#ifndef PKM_OPS_HEAD_WEIGHT_H
#define PKM_OPS_HEAD_WEIGHT_H

#include "graph/op.h"

enum { PKM_HEAD_STRIP = 256 };

typedef struct pkm_head_weight {
    int64_t vocabulary, dim, n_strips;
    pkm_dtype compute; /* f32 also where the level has no products of bf16 */
    void *rows;        /* [V, D] compute; W itself where it lies so */
    void *columns; /* [n_strips, D, PKM_HEAD_STRIP] compute: strips of W, transposed; zeros fill up
                      the last one. NULL: not wanted */
    bool copies;   /* rows are a copy */
    uint64_t *version; /* 1 + that of W when the copies were made; 0: never */
} pkm_head_weight;

/* Lays out the copies of the node's parameter 0 in `held`; returns their bytes (held NULL: only
 * that). */
size_t pkm_head_weight_place(pkm_head_weight *out, const pkm_node *node, void *held);

/* Brings the copies up to date; scratch: dim floats per thread. */
void pkm_head_weight_renew(const pkm_head_weight *head, const pkm_param *weight, float *scratch);

/* Elements of strip `strip`: PKM_HEAD_STRIP, or what is left. */
static inline int64_t pkm_head_strip_rows(const pkm_head_weight *head, int64_t strip)
{
    int64_t left = head->vocabulary - strip * PKM_HEAD_STRIP;

    return left < PKM_HEAD_STRIP ? left : PKM_HEAD_STRIP;
}

#endif
