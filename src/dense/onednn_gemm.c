/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/onednn_gemm.h"

#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/threads.h"
#include "dense/onednn_version.h"

struct pkm_gemm {
    pkm_gemm_spec spec;
    dnnl_primitive_desc_t desc; /* owns the memory descriptors queried from it */
    dnnl_primitive_t primitive;
};

static pthread_once_t engine_once = PTHREAD_ONCE_INIT;
static dnnl_engine_t engine;
static char provider[64];

static pkm_status failed(dnnl_status_t status, const char *what)
{
    pkm_status kind = status == dnnl_out_of_memory ? PKM_ERR_NOMEM : PKM_ERR_INTERNAL;

    return pkm_fail(kind, "%s failed in %s with status %d", provider, what, (int)status);
}

/* PKM_ISA binds oneDNN too; it must hear of it before its first primitive. */
static void limit_isa(void)
{
#ifdef PKM_X86
    static const dnnl_cpu_isa_t limits[PKM_ISA_COUNT] = {
        [PKM_ISA_REF] = dnnl_cpu_isa_sse41,
        [PKM_ISA_NEON] = dnnl_cpu_isa_sse41,
        [PKM_ISA_AVX2] = dnnl_cpu_isa_avx2,
        [PKM_ISA_AVX512] = dnnl_cpu_isa_avx512_core,
        [PKM_ISA_AVX512BF16] = dnnl_cpu_isa_avx512_core_bf16,
        [PKM_ISA_AMX] = dnnl_cpu_isa_avx512_core_amx,
    };
    pkm_isa level;

    if (pkm_isa_current(&level) != PKM_OK)
        level = PKM_ISA_REF;
    /* Refused only when the host program has used oneDNN before: then its level stays. */
    (void)dnnl_set_max_cpu_isa(limits[level]);
#endif
}

static void open_engine(void)
{
    const dnnl_version_t *version = dnnl_version();

    limit_isa();
    snprintf(provider, sizeof provider, "oneDNN %d.%d.%d", version->major, version->minor,
             version->patch);
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success)
        engine = NULL;
}

static pkm_status need_engine(void)
{
    pthread_once(&engine_once, open_engine);
    if (engine == NULL)
        return pkm_fail(PKM_ERR_INTERNAL, "%s offers no CPU engine", provider);
    return PKM_OK;
}

const char *pkm_gemm_provider(void)
{
    (void)need_engine();
    return provider;
}

static dnnl_data_type_t data_type(pkm_dtype dtype)
{
    return dtype == PKM_BF16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_status_t plain(pkm_md *out, int64_t rows, int64_t columns, pkm_dtype dtype)
{
    return pkm_md_strided(out, (dnnl_dims_t){rows, columns}, data_type(dtype),
                          (dnnl_dims_t){columns, 1});
}

static dnnl_status_t make_attr(dnnl_primitive_attr_t *out, bool accumulate)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);

    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status != dnnl_success || !accumulate)
        return status;
    status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success)
        status = pkm_append_sum(ops);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*out, ops);
    if (ops != NULL)
        (void)dnnl_post_ops_destroy(ops);
    return status;
}

static pkm_md_ref query(const pkm_gemm *gemm, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(gemm->desc, what, 0);
}

static dnnl_status_t describe_b(pkm_md *out, const pkm_gemm_spec *spec)
{
    if (spec->plain)
        return plain(out, spec->k, spec->n, spec->in);
    return pkm_md_any(out, (dnnl_dims_t){spec->k, spec->n}, data_type(spec->in));
}

static dnnl_status_t describe(dnnl_primitive_desc_t *out, const pkm_gemm_spec *spec)
{
    pkm_md a = {0}, b = {0}, c = {0}, bias = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status = plain(&a, spec->m, spec->k, spec->in);

    if (status == dnnl_success)
        status = describe_b(&b, spec);
    if (status == dnnl_success)
        status = plain(&c, spec->m, spec->n, spec->out);
    if (status == dnnl_success)
        status = plain(&bias, 1, spec->n, PKM_F32);
    if (status == dnnl_success)
        status = make_attr(&attr, spec->accumulate);
    if (status == dnnl_success)
        status = pkm_matmul_desc(out, engine, pkm_md_get(&a),
                                 spec->form != NULL ? query(spec->form, dnnl_query_weights_md)
                                                    : pkm_md_get(&b),
                                 spec->bias ? pkm_md_get(&bias) : NULL, pkm_md_get(&c), attr);
    pkm_md_drop(&a);
    pkm_md_drop(&b);
    pkm_md_drop(&c);
    pkm_md_drop(&bias);
    if (attr != NULL)
        (void)dnnl_primitive_attr_destroy(attr);
    return status;
}

bool pkm_gemm_supports(pkm_dtype in)
{
    pkm_gemm_spec probe = {.m = 16, .n = 16, .k = 16, .in = in, .out = in};
    dnnl_primitive_desc_t desc = NULL;

    if (need_engine() != PKM_OK || describe(&desc, &probe) != dnnl_success)
        return false;
    (void)dnnl_primitive_desc_destroy(desc);
    return true;
}

pkm_status pkm_gemm_create(pkm_gemm **out, const pkm_gemm_spec *spec)
{
    int threads;
    dnnl_status_t status;
    pkm_gemm *gemm;

    PKM_TRY(need_engine());
    PKM_TRY(pkm_alloc_array((void **)&gemm, 1, sizeof *gemm, "a matrix product"));
    gemm->spec = *spec;
    /* oneDNN cuts a product by the threads it sees at its creation. */
    threads = pkm_threads_lend(1);
    status = describe(&gemm->desc, spec);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&gemm->primitive, gemm->desc);
    (void)pkm_threads_lend(threads);
    if (status != dnnl_success) {
        pkm_gemm_destroy(gemm);
        return failed(status, "making a matrix product");
    }
    *out = gemm;
    return PKM_OK;
}

void pkm_gemm_destroy(pkm_gemm *gemm)
{
    if (gemm == NULL)
        return;
    if (gemm->primitive != NULL)
        (void)dnnl_primitive_destroy(gemm->primitive);
    if (gemm->desc != NULL)
        (void)dnnl_primitive_desc_destroy(gemm->desc);
    pkm_free(gemm);
}

size_t pkm_gemm_form_bytes(const pkm_gemm *gemm)
{
    return dnnl_memory_desc_get_size(query(gemm, dnnl_query_weights_md));
}

size_t pkm_gemm_scratch_bytes(const pkm_gemm *gemm)
{
    return dnnl_memory_desc_get_size(query(gemm, dnnl_query_scratchpad_md));
}

bool pkm_gemm_form_layout(const pkm_gemm *gemm, pkm_gemm_layout *out)
{
    pkm_md_blocking form;

    if (!pkm_md_get_blocking(&form, query(gemm, dnnl_query_weights_md)))
        return false;
    if (form.n_inner == 0) { /* rows */
        *out = (pkm_gemm_layout){1, gemm->spec.n, 1, form.strides[0], 0};
        return form.strides[1] == 1;
    }
    if (form.n_inner < 2 || form.n_inner > 3 || form.inner_axes[0] != 0 || form.inner_axes[1] != 1)
        return false;
    *out = (pkm_gemm_layout){.k_block = form.inner_blocks[0],
                             .n_block = form.inner_blocks[1],
                             .group = 1,
                             .k_step = form.strides[0],
                             .n_step = form.strides[1]};
    if (form.n_inner == 3) { /* the rows of a group stand together, element by element */
        out->group = form.inner_blocks[2];
        out->k_block *= out->group;
        return form.inner_axes[2] == 0;
    }
    return true;
}

/* A primitive's argument: which, what it looks like, where it is. */
typedef struct argument {
    int role;
    pkm_md_ref md;
    void *data;
} argument;

/* Runs the primitive to its end on the calling thread's team. */
static dnnl_status_t execute(dnnl_primitive_t primitive, const argument *given, int count)
{
    dnnl_exec_arg_t args[5];
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    int made = 0;

    for (; status == dnnl_success && made < count; made++) {
        args[made] = (dnnl_exec_arg_t){.arg = given[made].role};
        status = dnnl_memory_create(&args[made].memory, given[made].md, engine, given[made].data);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(primitive, stream, count, args);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    for (int i = 0; i < made; i++)
        if (args[i].memory != NULL)
            (void)dnnl_memory_destroy(args[i].memory);
    if (stream != NULL)
        (void)dnnl_stream_destroy(stream);
    return status;
}

static dnnl_status_t reorder(pkm_md_ref to, void *to_data, pkm_md_ref from, const void *from_data)
{
    argument arguments[] = {{DNNL_ARG_FROM, from, (void *)from_data}, {DNNL_ARG_TO, to, to_data}};
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t status =
        dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, NULL);

    if (status == dnnl_success)
        status = dnnl_primitive_create(&primitive, desc);
    if (status == dnnl_success)
        status = execute(primitive, arguments, 2);
    if (primitive != NULL)
        (void)dnnl_primitive_destroy(primitive);
    if (desc != NULL)
        (void)dnnl_primitive_desc_destroy(desc);
    return status;
}

pkm_status pkm_gemm_pack(const pkm_gemm *gemm, void *form, const void *source, pkm_dtype dtype,
                         int64_t row_step, int64_t column_step)
{
    pkm_md from = {0};
    dnnl_status_t status = pkm_md_strided(&from, (dnnl_dims_t){gemm->spec.k, gemm->spec.n},
                                          data_type(dtype), (dnnl_dims_t){row_step, column_step});
    int threads = pkm_threads_lend(pkm_threads());

    if (status == dnnl_success)
        status = reorder(query(gemm, dnnl_query_weights_md), form, pkm_md_get(&from), source);
    (void)pkm_threads_lend(threads);
    pkm_md_drop(&from);
    return status == dnnl_success ? PKM_OK : failed(status, "packing a matrix");
}

pkm_status pkm_gemm_run(const pkm_gemm *gemm, void *c, const void *a, const void *form,
                        const float *bias, void *scratch)
{
    argument arguments[] = {
        {DNNL_ARG_SRC, query(gemm, dnnl_query_src_md), (void *)a},
        {DNNL_ARG_WEIGHTS, query(gemm, dnnl_query_weights_md), (void *)form},
        {DNNL_ARG_DST, query(gemm, dnnl_query_dst_md), c},
        {DNNL_ARG_SCRATCHPAD, query(gemm, dnnl_query_scratchpad_md), scratch},
        {DNNL_ARG_BIAS, NULL, (void *)bias},
    };
    dnnl_status_t status;
    int threads;

    if (gemm->spec.bias)
        arguments[4].md = dnnl_primitive_desc_query_md(gemm->desc, dnnl_query_weights_md, 1);
    threads = pkm_threads_lend(1);
    status = execute(gemm->primitive, arguments, gemm->spec.bias ? 5 : 4);
    (void)pkm_threads_lend(threads);
    return status == dnnl_success ? PKM_OK : failed(status, "a matrix product");
}
