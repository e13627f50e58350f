/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tensor of a tape: a name, an element type, a shape whose first axis is the rows of the run, and
 * a place in the tape's arena. Operations see tensors, so that a device can stand beside the CPU.
 */
#ifndef PKM_GRAPH_TENSOR_H
#define PKM_GRAPH_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkm/dtype.h"

enum { PKM_TENSOR_DIMS = 4 };

typedef enum pkm_layout {
    PKM_LAYOUT_ROWS, /* [rows, width]: text */
    PKM_LAYOUT_NHWC  /* [images, height, width, channels] */
} pkm_layout;

typedef struct pkm_tensor {
    const char *name; /* unique in its tape; owned by the tape */
    pkm_dtype dtype;
    pkm_layout layout;
    int n_dims;                    /* axes after the first */
    int64_t dims[PKM_TENSOR_DIMS]; /* sizes of those axes; the first axis is the run's n_rows */
    bool has_grad;                 /* planned: some trained parameter is behind it */
    bool keep;                     /* an output: never gives its place away */
    void *data;                    /* in the arena after planning */
    void *grad;                    /* same dtype and shape; valid while backward needs it */
    int index;                     /* position in the tape's list */
} pkm_tensor;

/* Elements per row: the product of dims. */
static inline int64_t pkm_tensor_width(const pkm_tensor *tensor)
{
    int64_t width = 1;

    for (int i = 0; i < tensor->n_dims; i++)
        width *= tensor->dims[i];
    return width;
}

#endif
