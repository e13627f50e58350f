/* SPDX-License-Identifier: Apache-2.0 */
/* Element types of tensors and tables. */
#ifndef PKM_DTYPE_H
#define PKM_DTYPE_H

typedef enum pkm_dtype {
    PKM_F32 = 0,  /* IEEE binary32 */
    PKM_BF16 = 1, /* the upper 16 bits of a binary32 */
    PKM_I8 = 2,   /* -127 to 127, times a scale per row: weights and values of a quantised model */
    PKM_I32 = 3,  /* two's complement, ids and positions */
    PKM_U8 = 4    /* bytes, masks */
} pkm_dtype;

#endif
