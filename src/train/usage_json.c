/* SPDX-License-Identifier: Apache-2.0 */
#include "train/usage_json.h"

/* The figures that a layer and a head have in common, without braces. */
static pkm_status figures(pkm_strbuf *out, const pkm_usage *row)
{
    PKM_TRY(
        pkm_strbuf_printf(out, "\"used\": %.9g, \"top1_used\": %.9g, ", row->used, row->top1_used));
    PKM_TRY(pkm_strbuf_printf(out, "\"kl\": %.9g, \"kl_count\": %.9g, \"gini\": %.9g, ", row->kl,
                              row->kl_count, row->gini));
    return pkm_strbuf_printf(out, "\"top50\": %.9g, \"top90\": %.9g, \"top99\": %.9g", row->top50,
                             row->top90, row->top99);
}

/* [[rank, share of the mass], ...]. */
static pkm_status distribution(pkm_strbuf *out, const pkm_usage *row)
{
    PKM_TRY(pkm_strbuf_printf(out, "["));
    for (int i = 0; i < row->n_ranks; i++)
        PKM_TRY(pkm_strbuf_printf(out, "%s[%lld, %.6g]", i > 0 ? ", " : "", (long long)row->rank[i],
                                  row->mass[i]));
    return pkm_strbuf_printf(out, "]");
}

pkm_status pkm_usage_json(pkm_strbuf *out, const pkm_usage *usage, int n_usage)
{
    PKM_TRY(pkm_strbuf_printf(out, "["));
    for (int i = 0; i < n_usage; i++) {
        const pkm_usage *row = &usage[i];
        bool last_of_layer = i + 1 == n_usage || usage[i + 1].head < 0;

        if (row->head < 0) {
            PKM_TRY(pkm_strbuf_printf(out, "%s{\"layer\": %d, \"slots\": %lld, ", i > 0 ? ", " : "",
                                      row->layer, (long long)row->slots));
            PKM_TRY(figures(out, row));
            PKM_TRY(pkm_strbuf_printf(out, ", \"mass_curve\": "));
            PKM_TRY(distribution(out, row));
            PKM_TRY(pkm_strbuf_printf(out, ", \"heads\": ["));
        } else {
            PKM_TRY(
                pkm_strbuf_printf(out, "%s{\"head\": %d, ", row->head > 0 ? ", " : "", row->head));
            PKM_TRY(figures(out, row));
            PKM_TRY(pkm_strbuf_printf(out, "}"));
        }
        if (last_of_layer)
            PKM_TRY(pkm_strbuf_printf(out, "]}"));
    }
    return pkm_strbuf_printf(out, "]");
}
