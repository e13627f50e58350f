/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/usage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"

struct pkm_usage_counter {
    int64_t heads, slots;
    double *mass;        /* [heads, slots] sum of |weight| */
    int64_t *count;      /* [heads, slots] reads */
    unsigned char *best; /* [heads, slots] 1: was the best of a read */
};

pkm_status pkm_usage_create(pkm_usage_counter **out, int64_t heads, int64_t slots)
{
    pkm_usage_counter *counter = NULL;
    size_t count = pkm_size_product((size_t)heads, (size_t)slots);

    PKM_TRY(pkm_alloc_array((void **)&counter, 1, sizeof *counter, "usage counters"));
    counter->heads = heads;
    counter->slots = slots;
    if (pkm_alloc_array((void **)&counter->mass, count, sizeof(double), "usage counters") !=
            PKM_OK ||
        pkm_alloc_array((void **)&counter->count, count, sizeof(int64_t), "usage counters") !=
            PKM_OK ||
        pkm_alloc_array((void **)&counter->best, count, 1, "usage counters") != PKM_OK) {
        pkm_usage_destroy(counter);
        return PKM_ERR_NOMEM;
    }
    *out = counter;
    return PKM_OK;
}

size_t pkm_usage_bytes(int64_t heads, int64_t slots)
{
    enum { SLOT_BYTES = 17 }; /* a double, an int64_t, a flag */

    return pkm_size_product(pkm_size_product((size_t)heads, (size_t)slots), SLOT_BYTES);
}

size_t pkm_usage_result_bytes(int64_t slots)
{
    return pkm_size_product((size_t)slots, sizeof(double));
}

void pkm_usage_destroy(pkm_usage_counter *counter)
{
    if (counter == NULL)
        return;
    pkm_free(counter->mass);
    pkm_free(counter->count);
    pkm_free(counter->best);
    pkm_free(counter);
}

void pkm_usage_reset(pkm_usage_counter *counter)
{
    size_t count = (size_t)counter->heads * (size_t)counter->slots;

    memset(counter->mass, 0, count * sizeof *counter->mass);
    memset(counter->count, 0, count * sizeof *counter->count);
    memset(counter->best, 0, count);
}

typedef struct usage_rows {
    pkm_usage_counter *counter;
    const int32_t *ids;
    const float *weights;
    int64_t n_rows, topk;
} usage_rows;

/* One head is one block: its counters have one writer. */
static void add_head(int64_t head, int thread, void *user)
{
    const usage_rows *rows = user;
    pkm_usage_counter *counter = rows->counter;
    int64_t base = head * counter->slots;

    (void)thread;
    for (int64_t row = 0; row < rows->n_rows; row++) {
        int64_t first = (row * counter->heads + head) * rows->topk;

        counter->best[base + rows->ids[first]] = 1;
        for (int64_t i = first; i < first + rows->topk; i++) {
            counter->mass[base + rows->ids[i]] += fabs((double)rows->weights[i]);
            counter->count[base + rows->ids[i]]++;
        }
    }
}

void pkm_usage_add(pkm_usage_counter *counter, const int32_t *ids, const float *weights,
                   int64_t n_rows, int64_t topk)
{
    usage_rows rows = {counter, ids, weights, n_rows, topk};

    pkm_parallel(counter->heads, add_head, &rows);
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* ln(slots) + sum z ln z with z = value / sum; 0 if there is no mass. */
static double divergence(const double *values, int64_t slots)
{
    double sum = 0, entropy = 0;

    for (int64_t i = 0; i < slots; i++)
        sum += values[i];
    for (int64_t i = 0; i < slots; i++)
        if (values[i] > 0)
            entropy += values[i] / sum * log(values[i] / sum);
    return sum > 0 ? log((double)slots) + entropy : 0;
}

/* Share of slots, largest first, that together hold at least `part` of the sum. */
static double top_share(const double *ascending, int64_t slots, double sum, double part)
{
    double held = 0;
    int64_t n = 0;

    while (n < slots && held < part * sum)
        held += ascending[slots - 1 - n++];
    return (double)n / (double)slots;
}

static void fill_by_rank(pkm_usage *out, const double *ascending, int64_t slots)
{
    double sum = 0, cumulated = 0;
    int64_t used = 0;

    for (int64_t i = 0; i < slots; i++) {
        sum += ascending[i];
        cumulated += sum;
        used += ascending[i] > 0;
    }
    out->used = (double)used / (double)slots;
    out->gini = sum > 0 ? 1 - 2 * cumulated / sum / (double)slots : 0;
    out->top50 = top_share(ascending, slots, sum, 0.50);
    out->top90 = top_share(ascending, slots, sum, 0.90);
    out->top99 = top_share(ascending, slots, sum, 0.99);
}

/* The ranks are slots^(i / 63), rounded, each once: all of them of a memory with few slots. */
static void fill_distribution(pkm_usage *out, const double *ascending, int64_t slots)
{
    double sum = 0, log_slots = log((double)slots);

    for (int64_t i = 0; i < slots; i++)
        sum += ascending[i];
    out->n_ranks = 0;
    for (int i = 0; i < PKM_USAGE_RANKS; i++) {
        int64_t rank = llround(exp(log_slots * i / (PKM_USAGE_RANKS - 1)));

        if (out->n_ranks > 0 && rank <= out->rank[out->n_ranks - 1])
            rank = out->rank[out->n_ranks - 1] + 1;
        if (rank > slots)
            break;
        out->rank[out->n_ranks] = rank;
        out->mass[out->n_ranks++] = sum > 0 ? ascending[slots - rank] / sum : 0;
    }
}

pkm_status pkm_usage_result(const pkm_usage_counter *counter, pkm_usage *out, int head)
{
    int64_t slots = counter->slots, first = head < 0 ? 0 : head;
    int64_t last = head < 0 ? counter->heads : (int64_t)head + 1, best = 0;
    double *values = NULL;

    if (head < -1 || head >= counter->heads)
        return pkm_fail(PKM_ERR_ARG, "head is %d: expected -1 (all) to %lld", head,
                        (long long)counter->heads - 1);
    PKM_TRY(pkm_alloc_array((void **)&values, (size_t)slots, sizeof *values, "usage figures"));
    out->head = head;
    out->slots = slots;
    for (int64_t i = 0; i < slots; i++) {
        bool is_best = false;

        for (int64_t h = first; h < last; h++) {
            values[i] += (double)counter->count[h * slots + i];
            is_best |= counter->best[h * slots + i];
        }
        best += is_best;
    }
    out->top1_used = (double)best / (double)slots;
    out->kl_count = divergence(values, slots);
    for (int64_t i = 0; i < slots; i++) {
        values[i] = 0;
        for (int64_t h = first; h < last; h++)
            values[i] += counter->mass[h * slots + i];
    }
    out->kl = divergence(values, slots);
    qsort(values, (size_t)slots, sizeof *values, compare_doubles);
    fill_by_rank(out, values, slots);
    fill_distribution(out, values, slots);
    pkm_free(values);
    return PKM_OK;
}
