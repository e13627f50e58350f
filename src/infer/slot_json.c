/* SPDX-License-Identifier: Apache-2.0 */
#include "infer/slot_json.h"

#include <math.h>

#include "base/size.h"

/* The weight that a head of a token gives to a slot; 0: it does not read it. */
static double weight_of_head(const pkm_text_reads *reads, const pkm_slot_read *read, int64_t head)
{
    int64_t first = (read->token * reads->heads + head) * reads->topk;

    for (int64_t i = first; i < first + reads->topk; i++)
        if (reads->ids[i] == read->slot)
            return (double)reads->weights[i];
    return 0;
}

/* [slot, weight, [weight of each head]] */
static pkm_status append_read(pkm_strbuf *out, const pkm_text_reads *reads,
                              const pkm_slot_read *read)
{
    PKM_TRY(pkm_strbuf_printf(out, "[%d, %.6g, [", read->slot, (double)read->weight));
    for (int64_t head = 0; head < reads->heads; head++)
        PKM_TRY(pkm_strbuf_printf(out, "%s%.6g", head > 0 ? ", " : "",
                                  weight_of_head(reads, read, head)));
    return pkm_strbuf_append(out, "]]", 2);
}

/* {"mass": of all its reads, "reads": [those told, heaviest first]} */
static pkm_status append_token(pkm_strbuf *out, const pkm_slot_table *table,
                               const pkm_text_reads *reads, int64_t token)
{
    const pkm_slot_read *list = table->by_token + table->begin[token];
    int64_t count = table->begin[token + 1] - table->begin[token];
    double mass = 0;

    for (int64_t i = 0; i < count; i++)
        mass += fabs((double)list[i].weight);
    PKM_TRY(
        pkm_strbuf_printf(out, "%s{\"mass\": %.6g, \"reads\": [", token > 0 ? ",\n" : "", mass));
    for (int64_t i = 0; i < count && list[i].told; i++) {
        PKM_TRY(pkm_strbuf_printf(out, "%s", i > 0 ? ", " : ""));
        PKM_TRY(append_read(out, reads, &list[i]));
    }
    return pkm_strbuf_append(out, "]}", 2);
}

static pkm_status append_slot(pkm_strbuf *out, const pkm_slot_table *table, int64_t place,
                              int64_t contexts)
{
    const pkm_slot *slot = &table->slots[place];
    const pkm_slot_read *list = table->by_slot + slot->first;

    PKM_TRY(pkm_strbuf_printf(
        out,
        "{\"slot\": %d, \"rank\": %lld, \"mass\": %.6g, \"readers\": %lld, \"distinct\": %lld, "
        "\"information\": %.6g, \"contexts\": [",
        list->slot, (long long)place + 1, slot->mass, (long long)slot->readers,
        (long long)slot->distinct, slot->information));
    for (int64_t i = 0; i < pkm_min_i64(contexts, slot->readers); i++)
        PKM_TRY(pkm_strbuf_printf(out, "%s[%d, %.6g]", i > 0 ? ", " : "", list[i].token,
                                  (double)list[i].weight));
    return pkm_strbuf_append(out, "]}", 2);
}

pkm_status pkm_slot_json(pkm_strbuf *out, const pkm_slot_table *table, const pkm_text_reads *reads,
                         int64_t contexts)
{
    const char *comma = "";

    PKM_TRY(pkm_strbuf_printf(out, "\"mass\": %.6g, \"slots_read\": %lld,\n\"tokens\": [",
                              table->mass, (long long)table->n_slots));
    for (int64_t token = 0; token < reads->n_tokens; token++)
        PKM_TRY(append_token(out, table, reads, token));
    PKM_TRY(pkm_strbuf_printf(out, "],\n\"slots\": ["));
    for (int64_t i = 0; i < table->n_slots; i++) {
        if (!table->slots[i].told)
            continue;
        PKM_TRY(pkm_strbuf_printf(out, "%s", comma));
        PKM_TRY(append_slot(out, table, i, contexts));
        comma = ",\n";
    }
    return pkm_strbuf_append(out, "]", 1);
}
