/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The differences between the C interfaces of oneDNN 2 and 3, for onednn_gemm.c alone. Version 2
 * hands memory descriptors around as structs and describes an operation before its primitive
 * descriptor; version 3 has opaque descriptors and one call.
 */
#ifndef PKM_DENSE_ONEDNN_VERSION_H
#define PKM_DENSE_ONEDNN_VERSION_H

#include <dnnl.h>
#include <stdbool.h>

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t pkm_md;           /* a descriptor of ours, dropped when done */
typedef const_dnnl_memory_desc_t pkm_md_ref; /* as functions take and return it */

/* How a matrix lies in memory: steps between blocks, and the axes inside a block. */
typedef struct pkm_md_blocking {
    const dnnl_dim_t *strides, *inner_blocks, *inner_axes;
    int n_inner;
} pkm_md_blocking;

static inline bool pkm_md_get_blocking(pkm_md_blocking *out, pkm_md_ref md)
{
    dnnl_format_kind_t kind = dnnl_format_kind_undef;

    return dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind) == dnnl_success &&
           kind == dnnl_blocked &&
           dnnl_memory_desc_query(md, dnnl_query_strides, &out->strides) == dnnl_success &&
           dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &out->n_inner) == dnnl_success &&
           dnnl_memory_desc_query(md, dnnl_query_inner_blks, &out->inner_blocks) == dnnl_success &&
           dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &out->inner_axes) == dnnl_success;
}

static inline pkm_md_ref pkm_md_get(const pkm_md *md)
{
    return *md;
}

static inline void pkm_md_drop(pkm_md *md)
{
    if (*md != NULL)
        (void)dnnl_memory_desc_destroy(*md);
}

static inline dnnl_status_t pkm_md_any(pkm_md *out, const dnnl_dims_t dims, dnnl_data_type_t type)
{
    return dnnl_memory_desc_create_with_tag(out, 2, dims, type, dnnl_format_tag_any);
}

static inline dnnl_status_t pkm_md_strided(pkm_md *out, const dnnl_dims_t dims,
                                           dnnl_data_type_t type, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(out, 2, dims, type, strides);
}

static inline dnnl_status_t pkm_append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

/* bias NULL: none */
static inline dnnl_status_t pkm_matmul_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                            pkm_md_ref a, pkm_md_ref b, pkm_md_ref bias,
                                            pkm_md_ref c, const_dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(out, engine, a, b, bias, c, attr);
}

#else

typedef dnnl_memory_desc_t pkm_md;
typedef const dnnl_memory_desc_t *pkm_md_ref;

typedef struct pkm_md_blocking {
    const dnnl_dim_t *strides, *inner_blocks, *inner_axes;
    int n_inner;
} pkm_md_blocking;

static inline bool pkm_md_get_blocking(pkm_md_blocking *out, pkm_md_ref md)
{
    const dnnl_blocking_desc_t *blocking = &md->format_desc.blocking;

    *out = (pkm_md_blocking){blocking->strides, blocking->inner_blks, blocking->inner_idxs,
                             blocking->inner_nblks};
    return md->format_kind == dnnl_blocked;
}

static inline pkm_md_ref pkm_md_get(const pkm_md *md)
{
    return md;
}

static inline void pkm_md_drop(pkm_md *md)
{
    (void)md;
}

static inline dnnl_status_t pkm_md_any(pkm_md *out, const dnnl_dims_t dims, dnnl_data_type_t type)
{
    return dnnl_memory_desc_init_by_tag(out, 2, dims, type, dnnl_format_tag_any);
}

static inline dnnl_status_t pkm_md_strided(pkm_md *out, const dnnl_dims_t dims,
                                           dnnl_data_type_t type, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(out, 2, dims, type, strides);
}

static inline dnnl_status_t pkm_append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}

static inline dnnl_status_t pkm_matmul_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                            pkm_md_ref a, pkm_md_ref b, pkm_md_ref bias,
                                            pkm_md_ref c, const_dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t operation;
    dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, b, bias, c);

    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(out, &operation, attr, engine, NULL);
}

#endif

#endif
