/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/dense_scratch.h"

#include "base/alloc.h"

pkm_status pkm_dense_scratch_create(pkm_dense_scratch **out)
{
    return pkm_alloc_array((void **)out, 1, sizeof **out, "scratch of dense maps");
}

void pkm_dense_scratch_destroy(pkm_dense_scratch *scratch)
{
    if (scratch == NULL)
        return;
    pkm_pages_free(scratch->data, scratch->bytes);
    pkm_free(scratch);
}

pkm_status pkm_dense_scratch_reserve(pkm_dense_scratch *scratch, void **out, size_t bytes)
{
    if (bytes > scratch->bytes) {
        pkm_pages_free(scratch->data, scratch->bytes);
        scratch->data = NULL;
        scratch->bytes = 0;
        PKM_TRY(pkm_pages_alloc(&scratch->data, bytes, "scratch of dense maps"));
        scratch->bytes = bytes;
    }
    *out = scratch->data;
    return PKM_OK;
}
