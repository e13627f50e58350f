/* SPDX-License-Identifier: Apache-2.0 */
#include "infer/slot_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"

static int compare_places(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_masses(double a, double b)
{
    return (a < b) - (a > b); /* the heavier first */
}

static int by_slot_then_place(const void *left, const void *right)
{
    const pkm_slot_read *a = left, *b = right;

    return a->slot != b->slot ? compare_places(a->slot, b->slot)
                              : compare_places(a->token, b->token);
}

static int by_weight_then_slot(const void *left, const void *right)
{
    const pkm_slot_read *a = left, *b = right;
    int order = compare_masses(fabsf(a->weight), fabsf(b->weight));

    return order != 0 ? order : compare_places(a->slot, b->slot);
}

static int by_slot_then_weight(const void *left, const void *right)
{
    const pkm_slot_read *a = left, *b = right;
    int order = compare_places(a->slot, b->slot);

    if (order == 0)
        order = compare_masses(fabsf(a->weight), fabsf(b->weight));
    return order != 0 ? order : compare_places(a->token, b->token);
}

static int by_mass_then_place(const void *left, const void *right)
{
    const pkm_slot *a = left, *b = right;
    int order = compare_masses(a->mass, b->mass);

    return order != 0 ? order : compare_places(a->first, b->first);
}

/* The reads of one token into out [heads * topk], its heads summed in their order; returns how
 * many. */
static int64_t merge_token(pkm_slot_read *out, const pkm_text_reads *reads, int64_t token,
                           int64_t top)
{
    int64_t hits = reads->heads * reads->topk, count = 0;
    const int32_t *ids = reads->ids + token * hits;
    const float *weights = reads->weights + token * hits;

    for (int64_t i = 0; i < hits; i++) /* token: the place of the hit, for now */
        out[i] = (pkm_slot_read){.slot = ids[i], .token = (int32_t)i, .weight = weights[i]};
    qsort(out, (size_t)hits, sizeof *out, by_slot_then_place);
    for (int64_t i = 0; i < hits; i++)
        if (count > 0 && out[count - 1].slot == out[i].slot)
            out[count - 1].weight += out[i].weight;
        else
            out[count++] = out[i];
    qsort(out, (size_t)count, sizeof *out, by_weight_then_slot);
    for (int64_t i = 0; i < count; i++) {
        out[i].token = (int32_t)token;
        out[i].told = i < top;
    }
    return count;
}

static void merge_tokens(pkm_slot_table *table, const pkm_text_reads *reads, int64_t top)
{
    for (int64_t token = 0; token < reads->n_tokens; token++) {
        table->begin[token] = table->n_reads;
        table->n_reads += merge_token(table->by_token + table->n_reads, reads, token, top);
    }
    table->begin[reads->n_tokens] = table->n_reads;
}

/* The mass of one distinct token. */
typedef struct token_mass {
    int32_t id;
    double mass;
} token_mass;

static int by_id(const void *left, const void *right)
{
    return compare_places(((const token_mass *)left)->id, ((const token_mass *)right)->id);
}

/* Sums reads [count] by distinct token into out [count], by id; returns how many. */
static int64_t distinct_masses(token_mass *out, const pkm_slot_read *list, int64_t count,
                               const int32_t *token_id)
{
    int64_t distinct = 0;

    for (int64_t i = 0; i < count; i++)
        out[i] = (token_mass){token_id[list[i].token], fabs((double)list[i].weight)};
    qsort(out, (size_t)count, sizeof *out, by_id);
    for (int64_t i = 0; i < count; i++)
        if (distinct > 0 && out[distinct - 1].id == out[i].id)
            out[distinct - 1].mass += out[i].mass;
        else
            out[distinct++] = out[i];
    return distinct;
}

/* p(s) sum_t p(t|s) ln(p(t|s) / p(t)) = sum_t p(s, t) ln(p(s, t) / (p(s) p(t))). `all` has the
 * masses of all tokens over all slots, by id. */
static double information(const token_mass *tokens, int64_t count, double slot_mass,
                          const token_mass *all, int64_t n_all, double total)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++) {
        const token_mass *of_token = bsearch(&tokens[i], all, (size_t)n_all, sizeof *all, by_id);

        if (tokens[i].mass > 0)
            sum +=
                tokens[i].mass / total * log(tokens[i].mass * total / (slot_mass * of_token->mass));
    }
    return fmax(sum, 0); /* which it is but for rounding */
}

/* The slot whose reads begin at `first`. */
static pkm_slot slot_at(const pkm_slot_table *table, int64_t first)
{
    const pkm_slot_read *list = table->by_slot + first;
    pkm_slot slot = {.first = first};

    while (first + slot.readers < table->n_reads && list[slot.readers].slot == list->slot) {
        slot.mass += fabs((double)list[slot.readers].weight);
        slot.told |= list[slot.readers].told;
        slot.readers++;
    }
    return slot;
}

/* Orders by_slot and counts the slots in it. */
static void order_by_slot(pkm_slot_table *table)
{
    memcpy(table->by_slot, table->by_token, (size_t)table->n_reads * sizeof *table->by_slot);
    qsort(table->by_slot, (size_t)table->n_reads, sizeof *table->by_slot, by_slot_then_weight);
    for (int64_t i = 0; i < table->n_reads; i++)
        table->n_slots += i == 0 || table->by_slot[i].slot != table->by_slot[i - 1].slot;
}

/* Fills slots. all [n_reads], some [n_tokens]: room for masses. */
static void describe_slots(pkm_slot_table *table, const int32_t *token_id, token_mass *all,
                           token_mass *some)
{
    int64_t n_all = distinct_masses(all, table->by_token, table->n_reads, token_id), first = 0;

    for (int64_t i = 0; i < table->n_slots; i++) {
        table->slots[i] = slot_at(table, first);
        table->mass += table->slots[i].mass;
        first += table->slots[i].readers;
    }
    for (int64_t i = 0; i < table->n_slots; i++) {
        pkm_slot *slot = &table->slots[i];

        slot->distinct =
            distinct_masses(some, table->by_slot + slot->first, slot->readers, token_id);
        slot->information = information(some, slot->distinct, slot->mass, all, n_all, table->mass);
    }
    qsort(table->slots, (size_t)table->n_slots, sizeof *table->slots, by_mass_then_place);
}

/* The second half of create: from tokens to slots. */
static pkm_status turn_round(pkm_slot_table *table, const pkm_text_reads *reads)
{
    size_t n_reads = (size_t)table->n_reads;
    token_mass *masses = NULL;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&table->by_slot, n_reads, sizeof *table->by_slot, "reads"));
    order_by_slot(table);
    PKM_TRY(pkm_alloc_array((void **)&table->slots, (size_t)table->n_slots, sizeof *table->slots,
                            "slots that were read"));
    status = pkm_alloc_array((void **)&masses, pkm_size_sum(n_reads, (size_t)reads->n_tokens),
                             sizeof *masses, "masses of reads");
    if (status == PKM_OK)
        describe_slots(table, reads->token_id, masses, masses + n_reads);
    pkm_free(masses);
    return status;
}

size_t pkm_slot_table_bytes(int64_t n_tokens, int64_t hits, int64_t slots)
{
    enum { READ_BYTES = 48 }; /* two pkm_slot_read and a token_mass */
    size_t reads = pkm_size_product((size_t)n_tokens, (size_t)hits);
    size_t n_slots = reads < (size_t)slots ? reads : (size_t)slots;

    return pkm_size_sum(pkm_size_product(reads, READ_BYTES),
                        pkm_size_product(n_slots, sizeof(pkm_slot)));
}

pkm_status pkm_slot_table_create(pkm_slot_table *out, const pkm_text_reads *reads, int64_t top)
{
    size_t room = pkm_size_product((size_t)reads->n_tokens, (size_t)(reads->heads * reads->topk));
    pkm_slot_table table = {0};
    pkm_status status =
        pkm_alloc_array((void **)&table.begin, pkm_size_sum((size_t)reads->n_tokens, 1),
                        sizeof *table.begin, "reads");

    if (status == PKM_OK)
        status = pkm_alloc_array((void **)&table.by_token, room, sizeof *table.by_token, "reads");
    if (status == PKM_OK) {
        merge_tokens(&table, reads, top);
        status = turn_round(&table, reads);
    }
    if (status != PKM_OK) {
        pkm_slot_table_release(&table);
        return status;
    }
    *out = table;
    return PKM_OK;
}

void pkm_slot_table_release(pkm_slot_table *table)
{
    pkm_free(table->begin);
    pkm_free(table->by_token);
    pkm_free(table->by_slot);
    pkm_free(table->slots);
    *table = (pkm_slot_table){0};
}
