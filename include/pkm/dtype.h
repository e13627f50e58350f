/* SPDX-License-Identifier: Apache-2.0 */
/* Element types of tensors and tables. */
#ifndef PKM_DTYPE_H
#define PKM_DTYPE_H

typedef enum pkm_dtype {
    PKM_F32 = 0,  /* IEEE binary32 */
    PKM_BF16 = 1, /* the upper 16 bits of a binary32 */
    PKM_I32 = 2,  /* two's complement, ids and positions */
    PKM_U8 = 3    /* bytes, masks */
} pkm_dtype;

#endif
