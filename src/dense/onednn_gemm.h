/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oneDNN seen through one keyhole: a matrix product of fixed size for one thread,
 *
 *   c [m, n] = or += a [m, k] b [k, n] (+ bias [n])      c and a plain, row after row
 *
 * with b in whatever form oneDNN likes best. oneDNN 2 and 3 differ only inside onednn_gemm.c.
 * Sums are in fp32. A gemm may run in several threads at once, each with scratch of its own.
 */
#ifndef PKM_DENSE_ONEDNN_GEMM_H
#define PKM_DENSE_ONEDNN_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pkm/dtype.h"

typedef struct pkm_gemm pkm_gemm;

typedef struct pkm_gemm_spec {
    int64_t m, n, k;
    pkm_dtype in;  /* of a and b: PKM_F32, or PKM_BF16 where pkm_gemm_supports it */
    pkm_dtype out; /* of c: PKM_F32 or `in` */
    bool bias;     /* f32 */
    bool accumulate;
    bool plain;           /* b lies row after row */
    const pkm_gemm *form; /* b has the form of this one (same n, k, in); NULL: choose freely */
} pkm_gemm_spec;

/* Whether products of this dtype are at hand at the level of PKM_ISA. */
bool pkm_gemm_supports(pkm_dtype in);

pkm_status pkm_gemm_create(pkm_gemm **out, const pkm_gemm_spec *spec);
void pkm_gemm_destroy(pkm_gemm *gemm);

size_t pkm_gemm_form_bytes(const pkm_gemm *gemm); /* of b in its form */
size_t pkm_gemm_scratch_bytes(const pkm_gemm *gemm);

/* Where element (i, j) of b is in its form:
 *
 *   i / k_block * k_step + j / n_block * n_step                              which block
 *   + (i % k_block) / group * n_block * group + (j % n_block) * group + i % group
 *
 * Blocks at the right and lower edge are whole, filled up with zeros. */
typedef struct pkm_gemm_layout {
    int64_t k_block, n_block, group, k_step, n_step;
} pkm_gemm_layout;

/* False: the form cannot be told in this way. */
bool pkm_gemm_form_layout(const pkm_gemm *gemm, pkm_gemm_layout *out);

/*
 * form = b, whose element (i, j) is source[i * row_step + j * column_step] in `dtype`; one of the
 * steps is 1. A copy: bits do not depend on the threads it uses.
 */
pkm_status pkm_gemm_pack(const pkm_gemm *gemm, void *form, const void *source, pkm_dtype dtype,
                         int64_t row_step, int64_t column_step);

/* bias as in the spec, else ignored; scratch of pkm_gemm_scratch_bytes, 64-byte aligned. */
pkm_status pkm_gemm_run(const pkm_gemm *gemm, void *c, const void *a, const void *form,
                        const float *bias, void *scratch);

/* "oneDNN 2.6.3" */
const char *pkm_gemm_provider(void);

#endif
