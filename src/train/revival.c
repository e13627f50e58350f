/* SPDX-License-Identifier: Apache-2.0 */
#include "train/revival.h"

#include "base/size.h"
#include "memory/memory_config.h"

pkm_status pkm_revival_start(pkm_gpt *gpt)
{
    for (int i = 0; i < gpt->n_memories; i++)
        PKM_TRY(pkm_memory_layer_watch(gpt->memories[i]));
    for (int i = 0; i < gpt->n_stores; i++)
        PKM_TRY(pkm_store_watch(gpt->stores[i]));
    return PKM_OK;
}

size_t pkm_revival_bytes(const pkm_gpt *gpt)
{
    size_t total = 0;

    for (int i = 0; i < gpt->n_memories; i++)
        total = pkm_size_sum(total, pkm_memory_layer_reads(gpt->memories[i])->bytes);
    for (int i = 0; i < gpt->n_stores; i++)
        total = pkm_size_sum(total, pkm_store_reads(gpt->stores[i])->bytes);
    return total;
}

/* The sums alone, a float for each key and slot. */
size_t pkm_revival_saved_bytes(const pkm_gpt *gpt)
{
    const pkm_memory_config *memory = &gpt->config.memory;
    const pkm_key_shape shape = pkm_memory_keys(memory);
    size_t parts = pkm_size_product((size_t)memory->heads, (size_t)shape.parts);
    size_t keys = pkm_size_product(parts, (size_t)shape.count);
    size_t slots = (size_t)pkm_memory_slots(memory);

    if (pkm_revival_bytes(gpt) == 0)
        return 0;
    return pkm_size_product(sizeof(float),
                            pkm_size_sum(pkm_size_product((size_t)gpt->n_memories, keys),
                                         pkm_size_product((size_t)gpt->n_stores, slots)));
}

void pkm_revival_took_step(pkm_gpt *gpt)
{
    for (int i = 0; i < gpt->n_memories; i++)
        pkm_key_reads_take(pkm_memory_layer_reads(gpt->memories[i]));
}

void pkm_revival_run(pkm_revived *out, pkm_gpt *gpt, const pkm_revive_rule *rule)
{
    int readers = gpt->config.shared_values ? gpt->n_memories : 1;

    for (int i = 0; i < gpt->n_memories; i += readers)
        pkm_revive(out + i, gpt->memories + i, readers, rule);
    for (int i = 0; i < gpt->n_memories; i++)
        out[i].layer = (int)gpt->config.memory_layers.value[i];
}
