/* SPDX-License-Identifier: Apache-2.0 */
#include "infer/sampler.h"

#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/size.h"

pkm_status pkm_sampler_init(pkm_sampler *out, const pkm_generate_config *config, int64_t n_ids)
{
    pkm_sampler sampler = {.temperature = config->temperature,
                           .top_p = config->top_p,
                           .top_k = config->top_k,
                           .n_ids = n_ids,
                           .seed = config->seed};

    if (!(config->temperature >= 0 && config->temperature <= 1e6))
        return pkm_fail(PKM_ERR_ARG, "temperature is %g: expected 0 to 1e6", config->temperature);
    if (!(config->top_p >= 0 && config->top_p <= 1))
        return pkm_fail(PKM_ERR_ARG, "top_p is %g: expected 0 to 1", config->top_p);
    if (config->top_k < 0)
        return pkm_fail(PKM_ERR_ARG, "top_k is %lld: expected 0 or more", (long long)config->top_k);
    PKM_TRY(pkm_alloc_array((void **)&sampler.candidates, (size_t)n_ids, sizeof *sampler.candidates,
                            "candidates of sampling"));
    *out = sampler;
    return PKM_OK;
}

void pkm_sampler_release(pkm_sampler *sampler)
{
    pkm_free(sampler->candidates);
    *sampler = (pkm_sampler){0};
}

/* A likelier than b; of equals, the lower id. */
static bool before(pkm_candidate a, pkm_candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* Restores the heap (each before its children) below `at`. */
static void sink(pkm_candidate *heap, int64_t count, int64_t at)
{
    pkm_candidate moved = heap[at];

    for (int64_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static double mass(const pkm_sampler *sampler, pkm_candidate candidate, float best)
{
    return exp((double)(candidate.logit - best) / sampler->temperature);
}

/*
 * Moves the likeliest candidates, one by one, to the end of the array: at most top_k of them and,
 * without top_k, only until they hold top_p of all mass; the first in any case. A heap finds the
 * first few of many ids without sorting the rest. Returns how many; the likeliest is
 * candidates[n_ids - 1].
 */
static int64_t take_best(pkm_sampler *sampler, float best)
{
    pkm_candidate *heap = sampler->candidates;
    int64_t n_ids = sampler->n_ids, count = n_ids;
    int64_t limit = sampler->top_k > 0 ? pkm_min_i64(sampler->top_k, n_ids) : n_ids;
    double taken = 0, enough = HUGE_VAL;

    if (sampler->top_k == 0) {
        enough = 0;
        for (int64_t i = 0; i < n_ids; i++)
            enough += mass(sampler, heap[i], best);
        enough *= sampler->top_p;
    }
    for (int64_t at = n_ids / 2 - 1; at >= 0; at--)
        sink(heap, n_ids, at);
    while (count == n_ids || (n_ids - count < limit && taken < enough)) {
        pkm_candidate first = heap[0];

        heap[0] = heap[--count];
        sink(heap, count, 0);
        heap[count] = first;
        taken += mass(sampler, first, best);
    }
    return n_ids - count;
}

/* Fewest of the `count` candidates, from the end of the array, that hold top_p of their mass; the
 * likeliest in any case. */
static int64_t cut_to_mass(const pkm_sampler *sampler, int64_t count, float best)
{
    const pkm_candidate *last = sampler->candidates + sampler->n_ids - 1;
    double total = 0, taken = mass(sampler, last[0], best);
    int64_t kept = 1;

    for (int64_t i = 0; i < count; i++)
        total += mass(sampler, last[-i], best);
    while (kept < count && taken < sampler->top_p * total)
        taken += mass(sampler, last[-kept++], best);
    return kept;
}

/* A draw from the last `count` candidates. */
static int32_t draw(const pkm_sampler *sampler, int64_t count, float best, uint64_t index)
{
    const pkm_candidate *last = sampler->candidates + sampler->n_ids - 1;
    const pkm_rng rng = {.seed = sampler->seed, .stream = pkm_rng_stream("sampling")};
    double total = 0, rest;

    for (int64_t i = 0; i < count; i++)
        total += mass(sampler, last[-i], best);
    rest = (double)pkm_rng_u32(&rng, index) * 0x1p-32 * total;
    for (int64_t i = 0; i < count - 1; i++) {
        rest -= mass(sampler, last[-i], best);
        if (rest < 0)
            return last[-i].id;
    }
    return last[1 - count].id;
}

pkm_status pkm_sampler_pick(pkm_sampler *sampler, int32_t *id, const float *logits, uint64_t index)
{
    int64_t count = sampler->n_ids;
    pkm_candidate best = {.logit = -HUGE_VALF, .id = 0};

    for (int32_t i = 0; i < sampler->n_ids; i++) {
        sampler->candidates[i] = (pkm_candidate){logits[i], i};
        if (!(logits[i] < HUGE_VALF))
            return pkm_fail(PKM_ERR_NUMERIC, "the logit of token %d is %g", i, (double)logits[i]);
        if (logits[i] > best.logit)
            best = sampler->candidates[i];
    }
    if (sampler->temperature > 0 && best.logit > -HUGE_VALF) {
        if (sampler->top_k > 0)
            count = cut_to_mass(sampler, take_best(sampler, best.logit), best.logit);
        else if (sampler->top_p < 1)
            count = take_best(sampler, best.logit);
        *id = draw(sampler, count, best.logit, index);
        return PKM_OK;
    }
    *id = best.id;
    return PKM_OK;
}
