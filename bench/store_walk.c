/* SPDX-License-Identifier: Apache-2.0 */
#include "store_walk.h"

#include "base/dtype.h"

pkm_status pkm_store_walk(pkm_row_walk *out, pkm_store *store, bool rewrite)
{
    const pkm_store_config *table = pkm_store_config_of(store);
    pkm_store_moment moment[2];
    int n_moments = rewrite ? pkm_store_moments(store, moment) : 0;
    const void *base;
    const int32_t *ids, first = 0;

    PKM_TRY(pkm_store_prepare(store, &base, &ids, &first, 1));
    *out = (pkm_row_walk){.n_tables = 1 + n_moments, .rewrite = rewrite};
    out->table[0] = (char *)base; /* rewritten with the same bits */
    out->row_bytes[0] = table->value_dim * (int64_t)pkm_dtype_bytes(table->dtype);
    for (int i = 0; i < n_moments; i++) {
        out->table[1 + i] = moment[i].data;
        out->row_bytes[1 + i] = (moment[i].n_dims == 1 ? 1 : moment[i].dims[1]) *
                                (int64_t)pkm_dtype_bytes(moment[i].dtype);
    }
    return PKM_OK;
}
