/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/revive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/threads.h"
#include "memory/elementwise.h"
#include "memory/layer_parts.h"

/* Deviation of the noise on a copy, of the root mean square of the original's elements. */
static const float noise = 0.1f;

/* Slots looked at by one task. */
enum { SLOT_BLOCK = 256 };

/* Elements of a row that are at hand at once; even, as pkm_rng_fill_normal wants. */
enum { ROW_PIECE = 256 };

/* Random numbers of one tensor: which original, and what is added to the copy. */
typedef struct revive_draws {
    pkm_rng donor, noise;
} revive_draws;

static pkm_rng stream_of(const char *tensor, const char *what, const pkm_revive_rule *rule)
{
    char name[PKM_PARAM_NAME + 24];

    snprintf(name, sizeof name, "revive.%s.%s", what, tensor);
    return (pkm_rng){rule->seed, pkm_rng_stream(name), (uint32_t)rule->step};
}

static revive_draws draws_of(const char *tensor, const pkm_revive_rule *rule)
{
    return (revive_draws){stream_of(tensor, "donor", rule), stream_of(tensor, "noise", rule)};
}

/* A place in [0, total) for what has number `index`. */
static double draw_place(const revive_draws *from, int64_t index, double total)
{
    return (double)pkm_rng_u32(&from->donor, (uint64_t)index) * 0x1p-32 * total;
}

/* The first of running sums that exceeds `place`, which is less than the last. */
static int64_t find_place(const double *sums, int64_t count, double place)
{
    int64_t low = 0, high = count - 1;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (sums[middle] > place)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* to [count] = from + noise rms(from) z, both of dtype; the z of row `index`. */
static void copy_with_noise(void *to, const void *from, pkm_dtype dtype, int64_t count,
                            const revive_draws *draws, int64_t index)
{
    size_t bytes = pkm_dtype_bytes(dtype);
    int64_t stride = pkm_ceil_div(count, 2) * 2;
    float original[ROW_PIECE], z[ROW_PIECE], deviation;
    double squares = 0;

    for (int64_t at = 0; at < count; at += ROW_PIECE) {
        int64_t n = pkm_min_i64(ROW_PIECE, count - at);

        pkm_convert(original, PKM_F32, (const char *)from + (size_t)at * bytes, dtype, n);
        for (int64_t i = 0; i < n; i++)
            squares += (double)original[i] * (double)original[i];
    }
    deviation = noise * (float)sqrt(squares / (double)count);
    for (int64_t at = 0; at < count; at += ROW_PIECE) {
        int64_t n = pkm_min_i64(ROW_PIECE, count - at);

        pkm_convert(original, PKM_F32, (const char *)from + (size_t)at * bytes, dtype, n);
        pkm_rng_fill_normal(z, n, &draws->noise, (uint64_t)(index * stride + at), deviation);
        for (int64_t i = 0; i < n; i++)
            z[i] += original[i];
        pkm_convert((char *)to + (size_t)at * bytes, dtype, z, PKM_F32, n);
    }
}

/* ---- keys ---- */

typedef struct key_job {
    pkm_memory_layer *layer;
    double below;
    revive_draws draws;
} key_job;

static void revive_key(const key_job *job, int64_t key, int64_t donor)
{
    pkm_param *keys = job->layer->keys;
    int64_t width = job->layer->reads.keys.width;
    float *data = keys->data;

    copy_with_noise(data + key * width, data + donor * width, PKM_F32, width, &job->draws, key);
    memset(keys->moment1 + key * width, 0, (size_t)width * sizeof(float));
    memset(keys->moment2 + key * width, 0, (size_t)width * sizeof(float));
}

/* One part of one head. */
static void revive_part(int64_t part, int thread, void *user)
{
    const key_job *job = user;
    const pkm_key_reads *all = &job->layer->reads;
    int64_t count = all->keys.count, first = part * count;
    const float *reads = all->window + first;
    double total = 0, kept = 0, least, *sums = all->sums + first;

    (void)thread;
    for (int64_t i = 0; i < count; i++)
        total += (double)reads[i];
    least = job->below * total / (double)count;
    for (int64_t i = 0; i < count; i++) {
        kept += (double)reads[i] < least ? 0 : (double)reads[i];
        sums[i] = kept;
    }
    for (int64_t i = 0; i < count; i++) {
        int32_t *donor = &all->donors[first + i];

        *donor = -1;
        if (!((double)reads[i] < least) || !(kept > 0))
            continue;
        *donor = (int32_t)find_place(sums, count, draw_place(&job->draws, first + i, kept));
        revive_key(job, first + i, first + *donor);
    }
}

static int64_t revive_keys(pkm_memory_layer *layer, const pkm_revive_rule *rule)
{
    int64_t parts = layer->reads.heads * layer->reads.keys.parts;
    key_job job = {layer, rule->below, draws_of(layer->keys->spec.name, rule)};
    int64_t revived = 0;

    pkm_parallel(parts, revive_part, &job);
    for (int64_t i = 0; i < parts * layer->reads.keys.count; i++)
        revived += layer->reads.donors[i] >= 0;
    if (revived > 0)
        pkm_param_changed(layer->keys);
    return revived;
}

/* ---- slots ---- */

/* In place of what a slot was read with. */
static const float freed = -1;

typedef struct slot_job {
    pkm_memory_layer *const *layers;
    int n_layers;
    pkm_store *store;
    float *reads; /* [slots]; or `freed`: to be revived */
    double *sums; /* [slots] of the reads of those that stay, up to and with each slot */
    int64_t slots;
    revive_draws draws;
} slot_job;

/* What key i of a part was revived from, or i. */
static int64_t donor_of_key(const slot_job *job, int part, int64_t i)
{
    for (int l = 0; l < job->n_layers; l++) {
        const pkm_key_reads *reads = &job->layers[l]->reads;

        for (int64_t head = 0; head < reads->heads; head++) {
            int64_t at = (head * reads->keys.parts + part) * reads->keys.count + i;
            int32_t donor = reads->donors[at];

            if (donor >= 0)
                return donor;
        }
    }
    return i;
}

/* Whether nobody needs a slot: each head revived a key of it, or one did and none read it. */
static bool is_free(const slot_job *job, int64_t slot)
{
    bool in_any = false, in_all = true;

    for (int l = 0; l < job->n_layers; l++) {
        const pkm_key_reads *reads = &job->layers[l]->reads;
        const int32_t *donors = reads->donors; /* [H, parts, count] */

        for (int64_t head = 0; head < job->layers[l]->config.heads; head++) {
            bool revived = false;

            for (int part = 0; part < reads->keys.parts; part++, donors += reads->keys.count)
                revived |= donors[pkm_key_of_slot(&reads->keys, part, (uint32_t)slot)] >= 0;
            in_any |= revived;
            in_all &= revived;
        }
    }
    return in_any && (in_all || !(job->reads[slot] > 0));
}

/* The slot that the donors of a slot's keys make. */
static int64_t donor_of_slot(const slot_job *job, int64_t slot)
{
    const pkm_key_shape *keys = &job->layers[0]->reads.keys;
    int64_t donor = 0;

    for (int part = 0; part < keys->parts; part++)
        donor = donor * keys->count +
                donor_of_key(job, part, pkm_key_of_slot(keys, part, (uint32_t)slot));
    return donor;
}

static void revive_slot(const slot_job *job, int64_t slot)
{
    const pkm_store_config *table = pkm_store_config_of(job->store);
    size_t row_bytes = (size_t)table->value_dim * pkm_dtype_bytes(table->dtype);
    int64_t donor = donor_of_slot(job, slot);
    pkm_store_moment moments[2];
    int n_moments = pkm_store_moments(job->store, moments);
    char *values = pkm_store_values(job->store);

    if (!(job->reads[donor] > 0))
        donor = find_place(job->sums, job->slots,
                           draw_place(&job->draws, slot, job->sums[job->slots - 1]));
    copy_with_noise(values + (size_t)slot * row_bytes, values + (size_t)donor * row_bytes,
                    table->dtype, table->value_dim, &job->draws, slot);
    for (int m = 0; m < n_moments; m++) {
        int64_t width = moments[m].n_dims == 2 ? moments[m].dims[1] : 1;
        size_t bytes = (size_t)width * pkm_dtype_bytes(moments[m].dtype);

        memset((char *)moments[m].data + (size_t)slot * bytes, 0, bytes);
    }
}

static void revive_slots_block(int64_t block, int thread, void *user)
{
    const slot_job *job = user;
    int64_t end = pkm_min_i64((block + 1) * SLOT_BLOCK, job->slots);

    (void)thread;
    for (int64_t slot = block * SLOT_BLOCK; slot < end; slot++)
        if (job->reads[slot] == freed)
            revive_slot(job, slot);
}

static int64_t revive_slots(pkm_memory_layer *const *layers, int n_layers,
                            const pkm_revive_rule *rule)
{
    pkm_store *store = layers[0]->store;
    slot_job job = {.layers = layers,
                    .n_layers = n_layers,
                    .store = store,
                    .reads = pkm_store_reads(store)->window,
                    .sums = pkm_store_reads(store)->sums,
                    .slots = pkm_store_config_of(store)->slots,
                    .draws = draws_of(pkm_store_name(store), rule)};
    int64_t revived = 0;
    double sum = 0;

    if (job.reads == NULL)
        return 0;
    for (int64_t slot = 0; slot < job.slots; slot++) {
        if (is_free(&job, slot)) {
            job.reads[slot] = freed;
            revived++;
        } else {
            sum += (double)job.reads[slot];
        }
        job.sums[slot] = sum;
    }
    if (!(sum > 0) || !isfinite(sum))
        return 0;
    pkm_parallel(pkm_ceil_div(job.slots, SLOT_BLOCK), revive_slots_block, &job);
    return revived;
}

void pkm_revive(pkm_revived *out, pkm_memory_layer *const *layers, int n_layers,
                const pkm_revive_rule *rule)
{
    for (int l = 0; l < n_layers; l++)
        out[l] = (pkm_revived){.keys = revive_keys(layers[l], rule)};
    out[0].slots = revive_slots(layers, n_layers, rule);
    for (int l = 0; l < n_layers; l++)
        pkm_key_reads_clear(&layers[l]->reads);
    pkm_slot_reads_clear(pkm_store_reads(layers[0]->store));
}
